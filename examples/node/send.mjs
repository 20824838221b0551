// The life of a few messages: an account is written to that has never logged in, logs in and
// answers; what it wrote is received, read and taken back. Each step checks what the server
// says; the first that differs ends the script with exit code 1. Run it with --app or see
// settings.mjs; README.md has a transcript. How a client keeps up is in chat.mjs.

import { randomBytes } from 'node:crypto';
import { Centrifuge } from 'centrifuge';
import WebSocket from 'ws';
import { Backend } from './backend.mjs';
import { Chat, isRecalled, text } from './chat.mjs';
import { read } from './settings.mjs';

const patience = 10_000; // milliseconds until a step counts as failed

const settings = read([
  { name: 'pair', env: 'PAIR', default: randomBytes(4).toString('hex'), help: 'what the accounts ann-PAIR and bob-PAIR are told from others by' },
]);
const { url, sdkAppID, pair } = settings;
const backend = new Backend(settings);
const [ann, bob] = [`ann-${pair}`, `bob-${pair}`];

// ---- a device ------------------------------------------------------------------------

// Device is a client that is logged in. What comes waits until the script asks for it.
class Device {
  constructor(userID) {
    this.arrived = { message: [], recall: [], read: [], synced: [] };
    this.waiting = {};
    this.client = new Centrifuge(`${url.replace(/^http/, 'ws')}/connection/websocket`, {
      websocket: WebSocket,
      getData: async () => ({
        SDKAppID: sdkAppID,
        UserID: userID,
        UserSig: backend.userSig(userID), // a real client asks its backend for one
        Platform: 'Web',
        InstanceID: this.instanceID,
      }),
    });
    this.chat = new Chat(this.client);
    for (const event of Object.keys(this.arrived)) {
      this.chat.on(event, (what, missed) => this.note(event, missed ? { ...what, missed } : what));
    }
    this.chat.on('fault', (err) => this.fail?.(err));
    this.client.on('connected', ({ data }) => {
      this.instanceID = data.InstanceID;
    });
    this.client.on('disconnected', ({ code, reason }) => this.fail?.(new Error(`disconnected: ${code} ${reason}`)));
  }

  note(event, what) {
    this.arrived[event].push(what);
    this.waiting[event]?.();
  }

  // next waits for the next event of a kind.
  async next(event) {
    if (this.arrived[event].length === 0) {
      await new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`step ${steps + 1}: no ${event} came`)), patience);
        const settle = (how) => (value) => {
          clearTimeout(timer);
          delete this.waiting[event];
          this.fail = undefined;
          how(value);
        };
        this.waiting[event] = settle(resolve);
        this.fail = settle(reject);
      });
    }
    return this.arrived[event].shift();
  }

  async logIn() {
    this.client.connect();
    return this.next('synced');
  }

  async close() {
    this.fail = undefined;
    if (this.client.state === 'connected') {
      await this.chat.close();
    }
    this.client.disconnect(); // or it would keep the process from ending
  }
}

// ---- the transcript ------------------------------------------------------------------

let steps = 0;

function tell(name, what) {
  steps += 1;
  console.log(`${String(steps).padStart(2)}. ${name.padEnd(9)} ${what}`);
}

function expect(ok, what, got) {
  if (!ok) {
    throw new Error(`step ${steps + 1}: expected ${what}, got ${JSON.stringify(got)}`);
  }
}

const said = (m) => (isRecalled(m) ? '(recalled)' : `"${m.MsgBody[0].MsgContent.Text}"`);
const who = (userID) => userID.slice(0, 3); // without what tells pairs apart

// receive waits for a message, which must be the one that was sent.
async function receive(device, key, from, how) {
  const m = await device.next('message');
  expect(m.MsgKey === key && m.From_Account === from && !m.missed === (how === 'at once'), `${key} of ${from}, ${how}`, m);
  return `${who(m.From_Account)} to ${who(m.To_Account)}: ${said(m)}, ${how}`;
}

// ---- the steps -----------------------------------------------------------------------

async function run(phone, laptop) {
  console.log(`Muster at ${url}, App ${sdkAppID}: ${ann} and ${bob}`);

  await backend.importAccount(ann);
  await backend.importAccount(bob);
  tell('import', 'ann and bob are there');

  const question = await backend.sendMessage(ann, bob, text('Lunch?'));
  tell('send', 'ann to bob: "Lunch?", by the REST API');

  await phone.logIn();
  tell('log in', 'bob, for the first time');
  tell('receive', await receive(phone, question.MsgKey, ann, 'missed'));
  const unread = await phone.chat.unread(ann);
  expect(unread === 1, 'one unread message', unread);
  tell('unread', `bob: ${unread}`);

  const answer = await phone.chat.send(ann, text('At nine'));
  tell('send', await receive(phone, answer.MsgKey, bob, 'at once')); // as on all devices of bob

  await laptop.logIn();
  tell('log in', 'ann');
  tell('receive', await receive(laptop, question.MsgKey, ann, 'missed')); // what she sent is in her box, too
  tell('receive', await receive(laptop, answer.MsgKey, bob, 'missed'));

  await laptop.chat.read(bob, answer.MsgTime);
  const receipt = await phone.next('read');
  expect(receipt.Reader === ann && receipt.Peer === bob && receipt.Time === answer.MsgTime, 'a receipt of ann', receipt);
  tell('read', 'bob is told that ann has read it');

  const better = await phone.chat.send(ann, text('At noon'));
  tell('receive', await receive(laptop, better.MsgKey, bob, 'at once'));

  await phone.chat.recall(ann, answer.MsgKey);
  const gone = await laptop.next('recall');
  expect(gone.MsgKey === answer.MsgKey && gone.MsgBody.length === 0, `the recall of ${answer.MsgKey}`, gone);
  tell('recall', 'ann is told that bob took "At nine" back');

  tell('history', await history(laptop));
  tell('again', await comeBack(laptop));

  console.log(`All ${steps} steps went as expected.`);
}

// history compares what a device sees of the conversation with what an admin does.
async function history(device) {
  const seen = (await device.chat.history(bob)).Messages.map(said).sort();
  const stored = (await backend.history(ann, bob)).map(said).sort();
  expect(seen.length === 3 && String(seen) === String(stored), `${stored}`, seen);
  return seen.join(', ');
}

// comeBack has a device return under its InstanceID: what it acknowledged does not come again.
async function comeBack(device) {
  await device.close();
  const same = new Device(ann);
  same.instanceID = device.instanceID;
  try {
    const missed = await same.logIn();
    expect(missed === 0, 'nothing missed', missed);
    return 'ann logs in once more, and has missed nothing';
  } finally {
    await same.close();
  }
}

const devices = [new Device(bob), new Device(ann)];
try {
  await run(...devices);
} catch (err) {
  console.error(`send: ${err.message}`);
  process.exitCode = 1;
} finally {
  await Promise.allSettled(devices.map((d) => d.close()));
}
