package imclient

import (
	"context"
	"errors"
	"fmt"
)

const cmdMultiKick = "muster/multi_kick"

// codeNoCommand is the answer of a service that does not know a command.
const codeNoCommand = 60009

// KickMany kicks up to 100 accounts in one call, as Kick does one, and returns what became
// of each, in order; 70107 is one that is not imported. It is a command of Muster alone:
// any other service refuses it with 60009, and then Kick has to be called for each.
func (c *Client) KickMany(ctx context.Context, userIDs []string) ([]Result, error) {
	body := append(make([]byte, 0, sizeOf(userIDs, len(`"",`))), `{"UserIDs":`...)
	results, err := c.results(ctx, cmdMultiKick, append(appendNames(body, userIDs), '}'), userIDs)
	if refused, ok := errors.AsType[*Error](err); ok && refused.Code == codeNoCommand {
		return nil, fmt.Errorf("%w; only Muster kicks many accounts in one call, and this service is another, or an older Muster", err)
	}
	return results, err
}
