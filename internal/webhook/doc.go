// Package webhook tells an App's backend what happens to the App's accounts, and asks it
// whether their messages may be sent: it posts callbacks to the URL that the App is set to
// (im-rest-api.md, section 7), those that the App wants.
//
// Whoever reports an event is never held up: StateChanged and AfterSent put it into the
// queue of the App and return. What comes of it later shows in the metrics and, sparsely,
// in the log. Before alone waits for the answer, for as long as an attempt may take.
//
// Each App has a queue of its own, of bounded length, with a few workers of its own, so
// that a slow receiver delays nobody but itself. An account always falls to the same
// worker, which sends one event after the other: the events of an account arrive in
// order. A worker ends when nothing is left to send, so an App without events has no
// goroutine; connections are kept for a minute.
//
// # Failures
//
// An attempt fails if the receiver cannot be reached, takes longer than the time-out,
// answers another status than 200, or answers 200 with anything but a JSON object that
// says OK. It is repeated after a pause, up to the number of attempts. Statuses that
// repeating would not change (redirects, which are not followed, and 4xx other than 408
// and 429) fail the event at once. An event may arrive twice, if an answer was lost.
//
// # Dead receivers
//
// Each attempt at a dead receiver costs the whole time-out. After five failures in a row
// the App's receiver therefore counts as down: its workers then take turns, and one
// attempt, a probe, goes out every few seconds. It counts as an attempt of the event it
// carries: an outage of some seconds loses no event, a longer one few of those that are
// queued. What is reported meanwhile waits in the queue, and is dropped when that is
// full. The first answer ends this state, and the queue is sent in order. A change of the
// URL holds at the next probe.
//
// A question is asked once, and has nothing to do with the queue. Its receiver counts as down
// by itself, after five questions without an answer in a row, whatever becomes of events.
// Then nobody waits: one message every few seconds is a probe, and what the App is set to for
// want of an answer holds for the others at once.
package webhook
