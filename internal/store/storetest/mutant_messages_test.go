package storetest

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/muster-im/muster/internal/account"
	"github.com/muster-im/muster/internal/message"
)

// TestMessagesKillMutants shows that the sentences of message.Store are tested.
func TestMessagesKillMutants(t *testing.T) {
	cases := slices.Concat(messageCases(), messageConcurrentCases(1), callCases())
	if killedBy(t, cases, func(*bent) {}) {
		t.Fatal("the right store is killed")
	}
	for _, m := range slices.Concat(appendMutants(), recallMutants(), readMessageMutants(), markMutants(), forgetMutants()) {
		t.Run(m.name, func(t *testing.T) {
			if !killedBy(t, cases, m.bend) {
				t.Error("no case fails")
			}
		})
	}
}

// TestMessageModelKillsMutants shows the same of the model, for those that it can see.
func TestMessageModelKillsMutants(t *testing.T) {
	for name, value := range map[string]string{"rapid.nofailfile": "true", "rapid.shrinktime": "0s", "rapid.seed": "1"} {
		setFlag(t, name, value)
	}
	t.Cleanup(func() {
		setFlag(t, "rapid.nofailfile", "false")
		setFlag(t, "rapid.shrinktime", "30s")
		setFlag(t, "rapid.seed", "0")
	})
	for _, m := range slices.Concat(appendMutants(), recallMutants(), forgetMutants()) {
		t.Run(m.name, func(t *testing.T) {
			if !fails(t, func(tb testing.TB) { MessageModel(tb, bentHarness(m.bend)) }) {
				t.Error("the model agrees")
			}
		})
	}
}

type (
	appendsT  = []message.Append
	appendedT = []message.Appended
)

// bendEach bends every message on its way in.
func bendEach(change func(a *message.Append)) func(b *bent) {
	return func(b *bent) {
		b.onAppend = func(ctx ctxT, app appT, all appendsT) (appendedT, error) {
			all = slices.Clone(all)
			for i := range all {
				change(&all[i])
			}
			return b.Store.AppendMessages(ctx, app, all)
		}
	}
}

func appendMutants() []mutant {
	appends := func(change func(b *bent, ctx ctxT, app appT, all appendsT) (appendedT, error)) func(b *bent) {
		return func(b *bent) {
			b.onAppend = func(ctx ctxT, app appT, all appendsT) (appendedT, error) { return change(b, ctx, app, all) }
		}
	}
	return []mutant{
		{"a doubled append on retry", bendEach(func(a *message.Append) { a.Since = 1 << 60 })},
		{"dedupe ignores Since", bendEach(func(a *message.Append) { a.Since = 0 })},
		{"dedupe ignores Sum", bendEach(func(a *message.Append) { a.Sum = 0 })},
		{"Since itself is too early", bendEach(func(a *message.Append) { a.Since++ })},
		{"the sender's copy is lost", bendEach(func(a *message.Append) { a.FromBox = false })},
		{"the recipient's copy is lost", bendEach(func(a *message.Append) { a.ToBox = false })},
		{"the sender always has a copy", bendEach(func(a *message.Append) { a.FromBox = true })},
		{"flags are lost", func(b *bent) {
			bendEach(func(a *message.Append) { a.Flags = 0 })(b)
		}},
		{"CloudData is lost", bendEach(func(a *message.Append) { a.CloudData = "" })},
		{"a gap in box numbers", appends(func(b *bent, ctx ctxT, app appT, all appendsT) (appendedT, error) {
			got, err := b.Store.AppendMessages(ctx, app, all)
			if err != nil || len(all) == 0 {
				return got, err
			}
			gap := all[0] // a number that no message has
			gap.Seq, gap.Since, gap.Expires, gap.From, gap.FromBox = rand.Uint32(), 1<<60, 0, "nobody", false
			_, err = b.Store.AppendMessages(ctx, app, appendsT{gap})
			return got, err
		})},
		{"a duplicate is not said to be one", appends(func(b *bent, ctx ctxT, app appT, all appendsT) (appendedT, error) {
			got, err := b.Store.AppendMessages(ctx, app, all)
			for i := range got {
				got[i].Duplicate = false
			}
			return got, err
		})},
		{"a duplicate has its own Key", appends(func(b *bent, ctx ctxT, app appT, all appendsT) (appendedT, error) {
			got, err := b.Store.AppendMessages(ctx, app, all)
			for i := range got {
				got[i].Key = all[i].Key
			}
			return got, err
		})},
		{"numbers of one call go backwards", appends(func(b *bent, ctx ctxT, app appT, all appendsT) (appendedT, error) {
			all = slices.Clone(all)
			slices.Reverse(all)
			got, err := b.Store.AppendMessages(ctx, app, all)
			slices.Reverse(got)
			return got, err
		})},
	}
}

func recallMutants() []mutant {
	recalls := func(change func(b *bent, ctx ctxT, app appT, from, to account.UserID, k message.Key) ([]message.Copy, bool, error)) func(b *bent) {
		return func(b *bent) {
			b.onRecall = func(ctx ctxT, app appT, from, to account.UserID, k message.Key) ([]message.Copy, bool, error) {
				return change(b, ctx, app, from, to, k)
			}
		}
	}
	return []mutant{
		{"recall leaves the content", func(b *bent) {
			bodies := make(map[message.Key][]byte)
			b.onAppend = func(ctx ctxT, app appT, all appendsT) (appendedT, error) {
				for i := range all {
					bodies[all[i].Key] = slices.Clone(all[i].Body)
				}
				return b.Store.AppendMessages(ctx, app, all)
			}
			b.onConversation = func(ctx ctxT, app appT, owner, peer account.UserID, q conversationQuery) ([]message.Copy, error) {
				got, err := b.conversation(ctx, app, owner, peer, q)
				for i := range got {
					got[i].Body = bodies[got[i].Key]
				}
				return got, err
			}
		}},
		{"the notices are not returned", recalls(func(b *bent, ctx ctxT, app appT, from, to account.UserID, k message.Key) ([]message.Copy, bool, error) {
			_, again, err := b.Store.Recall(ctx, app, from, to, k)
			return nil, again, err
		})},
		{"only one notice", recalls(func(b *bent, ctx ctxT, app appT, from, to account.UserID, k message.Key) ([]message.Copy, bool, error) {
			got, again, err := b.Store.Recall(ctx, app, from, to, k)
			return got[:min(1, len(got))], again, err
		})},
		{"again is never said", recalls(func(b *bent, ctx ctxT, app appT, from, to account.UserID, k message.Key) ([]message.Copy, bool, error) {
			got, _, err := b.Store.Recall(ctx, app, from, to, k)
			return got, false, err
		})},
		{"recall goes both ways", recalls(func(b *bent, ctx ctxT, app appT, from, to account.UserID, k message.Key) ([]message.Copy, bool, error) {
			got, again, err := b.Store.Recall(ctx, app, from, to, k)
			if err == nil && len(got) == 0 && !again {
				return b.Store.Recall(ctx, app, to, from, k)
			}
			return got, again, err
		})},
		{"recall does nothing", recalls(func(*bent, ctxT, appT, account.UserID, account.UserID, message.Key) ([]message.Copy, bool, error) {
			return nil, false, nil
		})},
	}
}

func readMessageMutants() []mutant {
	boxes := func(change func(b *bent, ctx ctxT, app appT, owner account.UserID, after uint64, limit int, now int64) ([]message.Copy, uint64, error)) func(b *bent) {
		return func(b *bent) {
			b.onReadBox = func(ctx ctxT, app appT, owner account.UserID, after uint64, limit int, now int64) ([]message.Copy, uint64, error) {
				return change(b, ctx, app, owner, after, limit, now)
			}
		}
	}
	views := func(change func(q *conversationQuery)) func(b *bent) {
		return func(b *bent) {
			b.onConversation = func(ctx ctxT, app appT, owner, peer account.UserID, q conversationQuery) ([]message.Copy, error) {
				change(&q)
				return b.conversation(ctx, app, owner, peer, q)
			}
		}
	}
	return []mutant{
		{"after itself is read", boxes(func(b *bent, ctx ctxT, app appT, owner account.UserID, after uint64, limit int, now int64) ([]message.Copy, uint64, error) {
			return b.Store.ReadBox(ctx, app, owner, max(after, 1)-1, limit, now)
		})},
		{"what has expired is read", boxes(func(b *bent, ctx ctxT, app appT, owner account.UserID, after uint64, limit int, _ int64) ([]message.Copy, uint64, error) {
			return b.Store.ReadBox(ctx, app, owner, after, limit, 0)
		})},
		{"one copy too many", boxes(func(b *bent, ctx ctxT, app appT, owner account.UserID, after uint64, limit int, now int64) ([]message.Copy, uint64, error) {
			return b.Store.ReadBox(ctx, app, owner, after, limit+1, now)
		})},
		{"the last number is that of the last copy", boxes(func(b *bent, ctx ctxT, app appT, owner account.UserID, after uint64, limit int, now int64) ([]message.Copy, uint64, error) {
			got, _, err := b.Store.ReadBox(ctx, app, owner, after, limit, now)
			if len(got) == 0 {
				return nil, 0, err
			}
			return got, got[len(got)-1].Box, err
		})},
		{"a view with what has expired", views(func(q *conversationQuery) { q.now = 0 })},
		{"a view of one too many", views(func(q *conversationQuery) { q.limit++ })},
		{"a view without bounds of time", views(func(q *conversationQuery) { q.from, q.to = 0, never })},
		{"a view without the bounds' own seconds", views(func(q *conversationQuery) { q.from++; q.to-- })},
		{"a view by time alone", views(func(q *conversationQuery) { q.before.Seq, q.before.Random = 0, 0 })},
		{"a view the oldest first", func(b *bent) {
			b.onConversation = func(ctx ctxT, app appT, owner, peer account.UserID, q conversationQuery) ([]message.Copy, error) {
				got, err := b.conversation(ctx, app, owner, peer, q)
				slices.Reverse(got)
				return got, err
			}
		}},
		{"one view for both", func(b *bent) {
			b.onConversation = func(ctx ctxT, app appT, owner, peer account.UserID, q conversationQuery) ([]message.Copy, error) {
				return b.conversation(ctx, app, min(owner, peer), max(owner, peer), q)
			}
		}},
	}
}

func markMutants() []mutant {
	return []mutant{
		{"SetRead returns what it was given", func(b *bent) {
			b.onSetRead = func(ctx ctxT, app appT, reader, peer account.UserID, upTo int64) (int64, error) {
				_, err := b.Store.SetRead(ctx, app, reader, peer, upTo)
				return upTo, err
			}
		}},
		{"reading goes both ways", func(b *bent) {
			b.onSetRead = func(ctx ctxT, app appT, reader, peer account.UserID, upTo int64) (int64, error) {
				if _, err := b.Store.SetRead(ctx, app, peer, reader, upTo); err != nil {
					return 0, err
				}
				return b.Store.SetRead(ctx, app, reader, peer, upTo)
			}
		}},
		{"only the first pair is read", func(b *bent) {
			b.onReadUpTo = func(ctx ctxT, app appT, pairs []message.Pair) ([]int64, error) {
				got, err := b.Store.ReadUpTo(ctx, app, pairs)
				if len(got) > 1 {
					clear(got[1:])
				}
				return got, err
			}
		}},
		{"devices share what they have seen", func(b *bent) {
			b.onSetSeen = func(ctx ctxT, app appT, owner account.UserID, _ string, n uint64) error {
				return b.Store.SetSeen(ctx, app, owner, "", n)
			}
			b.onSeen = func(ctx ctxT, app appT, owner account.UserID, _ string) (uint64, error) {
				return b.Store.Seen(ctx, app, owner, "")
			}
		}},
		{"what was seen goes back", func(b *bent) {
			seen := make(map[string]uint64)
			b.onSetSeen = func(_ ctxT, _ appT, owner account.UserID, i string, n uint64) error {
				seen[string(owner)+i] = n
				return nil
			}
			b.onSeen = func(_ ctxT, _ appT, owner account.UserID, i string) (uint64, error) {
				return seen[string(owner)+i], nil
			}
		}},
		{"marks ignore the context", func(b *bent) {
			b.onSetSeen = func(ctx ctxT, app appT, owner account.UserID, i string, n uint64) error {
				return b.Store.SetSeen(context.WithoutCancel(ctx), app, owner, i, n)
			}
		}},
	}
}

func forgetMutants() []mutant {
	return []mutant{
		{"a sweep takes too much", func(b *bent) {
			b.onSweep = func(ctx ctxT, now int64, limit int) (int, error) { return b.Store.SweepMessages(ctx, now+1, limit) }
		}},
		{"a sweep takes nothing", func(b *bent) {
			b.onSweep = func(ctxT, int64, int) (int, error) { return 0, nil }
		}},
		{"a sweep ignores its limit", func(b *bent) {
			b.onSweep = func(ctx ctxT, now int64, limit int) (int, error) { return b.Store.SweepMessages(ctx, now, limit+1) }
		}},
		{"a deleted account keeps its box", func(b *bent) {
			b.onDelete = func(ctx ctxT, app appT, ids []account.UserID, _ int64) ([]bool, error) {
				return b.Store.Check(ctx, app, ids)
			}
		}},
		{"numbers begin anew with an account", func(b *bent) {
			gone := make(map[account.UserID]uint64)
			b.onDelete = func(ctx ctxT, app appT, ids []account.UserID, at int64) ([]bool, error) {
				for _, id := range ids {
					_, last, err := b.Store.ReadBox(ctx, app, id, 0, 0, 0)
					if err != nil {
						return nil, err
					}
					gone[id] = last
				}
				return b.Store.Delete(ctx, app, ids, at)
			}
			b.onReadBox = func(ctx ctxT, app appT, owner account.UserID, after uint64, limit int, now int64) ([]message.Copy, uint64, error) {
				got, last, err := b.Store.ReadBox(ctx, app, owner, after, limit, now)
				return got, last - gone[owner], err
			}
		}},
	}
}
