package rest

import (
	"context"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/wire"
)

// exportPage is how many accounts are read at a time.
const exportPage = 8192

// bulkExport answers a line for each account of the App, in the order of names.
//
// While one page is written the next one is read. A stream that comes to its end before the
// last account is told so by the envelope.
func (h *Handler) bulkExport(ctx context.Context, s *stream, c *call) (wire.Reply, error) {
	if err := h.readBody(s.w.Header(), s.request, c); err != nil {
		return nil, err
	}
	req, err := wire.DecodeExport(c.body)
	if err != nil {
		return nil, err
	}
	if err := s.begin(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	pages := h.readPages(ctx, c, req)
	defer func() {
		cancel()
		for range pages { // until the reader has ended
		}
	}()
	var reply wire.ExportReply
	for p := range pages {
		if p.err != nil {
			return reply, p.err
		}
		if err := s.writeAccounts(p.accounts); err != nil {
			return reply, err
		}
		reply.Rows += int64(len(p.accounts))
		c.accounts = int(reply.Rows)
		select {
		case <-s.stop:
			return reply, errStopping()
		default:
		}
	}
	if err := ctx.Err(); err != nil { // then the pages may have ended too early
		return reply, errGone(err)
	}
	return reply, nil
}

// page is one page of an export, or why there is none.
type page struct {
	accounts []account.Account
	err      error
}

// readPages reads the accounts that req asks for, one page ahead of its reader, until ctx
// ends. It closes the channel when it has ended.
func (h *Handler) readPages(ctx context.Context, c *call, req wire.Export) <-chan page {
	pages := make(chan page, 1)
	go func() {
		defer close(pages)
		left := req.Limit
		for {
			size := exportPage
			if req.Limit > 0 {
				size = int(min(left, exportPage))
			}
			p := h.readPage(ctx, c, req.After, size)
			left -= int64(len(p.accounts))
			select {
			case pages <- p:
			case <-ctx.Done():
				return
			}
			if p.err != nil || len(p.accounts) < size || req.Limit > 0 && left == 0 {
				return
			}
			req.After = p.accounts[len(p.accounts)-1].UserID
		}
	}()
	return pages
}

func (h *Handler) readPage(ctx context.Context, c *call, after account.UserID, size int) (p page) {
	defer h.caught(ctx, c, &p.err)
	p.accounts, p.err = h.opt.Accounts.List(ctx, c.app.SDKAppID, after, size)
	return p
}

func (s *stream) writeAccounts(accounts []account.Account) error {
	for i := range accounts {
		s.buf = wire.AppendExported(s.buf, &accounts[i])
		if len(s.buf) >= flushSize {
			if err := s.push(); err != nil {
				return err
			}
		}
	}
	return nil
}
