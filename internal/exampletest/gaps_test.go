package exampletest_test

import (
	"testing"
)

// testGaps has a client of its own push what a bad connection makes of a box: a gap, the same
// twice, something in the middle of a sync, and a server that has lost its store.
func (w *world) testGaps(t *testing.T) {
	const script = `import { Chat } from './chat.mjs';
const on = {}, got = [];
let box = 0, during;
const m = (Box) => ({ Box, MsgFlagBits: 0 });
const client = { state: 'connected', on: (e, f) => { on[e] = f; }, rpc: async (method, { After = 0 }) => {
  if (method !== 'sync') return { data: {} };
  const Messages = [];
  for (let n = After + 1; n <= box; n++) if (n !== 4) Messages.push(m(n)); // 4 has expired
  const Last = box;
  during?.();
  return { data: { Messages, Last } };
} };
const push = (n) => { box = Math.max(box, n); on.publication({ data: m(n) }); };
const chat = new Chat(client).on('message', ({ Box }, missed) => got.push((missed ? 'm' : '') + Box));
const synced = () => new Promise((resolve) => chat.on('synced', () => chat.syncing && !chat.behind && resolve()));
let done = synced(); box = 2; on.connected(); await done;
push(3); push(3); push(2);
done = synced(); during = () => { during = undefined; push(7); }; push(5); await done;
push(0);
done = synced(); box = 1; on.connected(); await done;
console.log(got.join(' '));
await chat.close();`
	out, stderr, code := w.node(t, []string{"--input-type=module", "--eval", script})
	if want := "m1 m2 3 m5 m6 m7 0 m1\n"; code != 0 || out != want {
		t.Errorf("exit code %d, got %q, want %q\n%s", code, out, want, stderr)
	}
}
