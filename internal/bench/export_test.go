package bench

import "context"

// RunWith is Run against any service, so that tests can use one that lives in the
// bubble of package synctest, where no network can be.
func RunWith(ctx context.Context, o Options, service api) (Result, error) {
	return run(ctx, o.withDefaults(), service)
}

// Names returns n names from a counter on.
func Names(prefix string, seed, first uint64, n int) []string {
	ids := make([]string, n)
	newNames(prefix, seed).fill(ids, first, nil)
	return ids
}

// Internals of Suite that read text.
var (
	ParseStatus = parseStatus
	ParseReady  = parseReady
	Median      = median
)

// Ready feeds the standard output of a server to what waits for its address.
type Ready struct{ r *readyLine }

// NewReady returns a Ready that has seen nothing.
func NewReady() Ready { return Ready{newReadyLine()} }

// Write implements io.Writer.
func (r Ready) Write(p []byte) (int, error) { return r.r.Write(p) }

// Addr returns the address that was found, if one was.
func (r Ready) Addr() string {
	select {
	case addr := <-r.r.addr:
		return addr
	default:
		return ""
	}
}
