package gateway

import "time"

// MaxLogins is how many logins are served at a time.
const MaxLogins = maxLogins

// SetLoginWait sets how long a login waits for its turn.
func (g *Gateway) SetLoginWait(d time.Duration) { g.wait = d }
