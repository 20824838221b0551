// A chat of two, in as many windows: chat.html?user=ann&peer=bob is one of them. What a
// client has to do to miss nothing is in chat.mjs; here is what a page does with it.

/* global Centrifuge */

import { Chat, isRecalled, text } from '/chat.mjs';

const $ = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);
const me = query.get('user');
const peer = query.get('peer');

let client = null;
let chat = null;
let lastKey = ''; // of the page of history before the oldest message shown
let readUpTo = 0; // the second up to which peer has read what is from here
let toldRead = 0; // and the one up to which it was told that this side has read
let opened = false; // the history is shown
const missed = []; // MsgKeys that came while the page was away

// ---- the connection ------------------------------------------------------------------

async function backend(what, body) {
  const response = await fetch(`/api/${what}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });
  const reply = await response.json();
  if (!response.ok) {
    throw new Error(reply.error);
  }
  return reply;
}

// What is kept when the window is closed, so that the one opened next is the same device and
// knows what it has had. Two windows of one account would put each other out.
const instanceKey = `muster-chat instance ${me}`;
const seenKey = `muster-chat seen ${me}`;

async function open() {
  await backend('import', { UserID: peer }); // or there is nobody to write to
  const login = await backend('login', { UserID: me });
  client = new Centrifuge(`${login.URL.replace(/^http/, 'ws')}/connection/websocket`, {
    getData: async () => ({
      SDKAppID: login.SDKAppID,
      UserID: me,
      UserSig: login.UserSig,
      Platform: 'Web',
      InstanceID: localStorage.getItem(instanceKey) ?? undefined,
    }),
  });
  chat = new Chat(client, { after: Number(localStorage.getItem(seenKey) ?? 0) })
    .on('message', arrived)
    .on('recall', recalled)
    .on('read', read)
    .on('synced', () => attempt(caughtUp))
    .on('fault', () => show('connecting', 'Waiting for the server…'));
  client.on('connecting', () => show('connecting', 'Connecting…'));
  client.on('connected', ({ data }) => localStorage.setItem(instanceKey, data.InstanceID));
  client.on('disconnected', ({ code, reason }) => show('disconnected', `Not logged in: ${code} ${reason}`));
  client.connect();
}

// caughtUp comes after each login: the first shows the history, all tell what was missed.
async function caughtUp() {
  if (!opened) {
    await earlier();
    opened = true;
  }
  const unread = await chat.unread(peer);
  if (missed.length > 0) {
    const noun = missed.length === 1 ? 'message' : 'messages';
    note('missed', `While you were away: ${missed.length} ${noun}, ${unread} unread.`);
    missed.length = 0;
  }
  show('connected', `${me} is connected.`);
  await seen();
}

async function earlier() {
  const page = await chat.history(peer, { before: lastKey });
  page.Messages.forEach(add);
  lastKey = page.LastMsgKey;
  $('earlier').hidden = page.Complete === 1;
}

// ---- messages ------------------------------------------------------------------------

function arrived(m, wasMissed) {
  localStorage.setItem(seenKey, chat.last);
  if (m.From_Account !== peer && m.To_Account !== peer) {
    return; // of another conversation
  }
  if (add(m) && wasMissed && m.From_Account === peer) {
    missed.push(m.MsgKey);
  }
  if (!wasMissed) {
    attempt(seen);
  }
}

function recalled(m) {
  localStorage.setItem(seenKey, chat.last);
  if (m.From_Account === peer || m.To_Account === peer) {
    add(m);
  }
}

// seen tells that what is shown is read if somebody can see it, and how much is not.
async function seen() {
  const last = [...$('log').querySelectorAll('.theirs')].at(-1);
  if (document.visibilityState === 'visible' && last && Number(last.dataset.time) > toldRead) {
    toldRead = Number(last.dataset.time);
    await chat.read(peer, toldRead);
  }
  const unread = await chat.unread(peer);
  note('unread', unread > 0 ? `${unread} unread` : '');
  document.title = `${unread > 0 ? `(${unread}) ` : ''}${me} and ${peer}`;
}

// read marks what peer has read. Receipts are by the second, as the messages' times are.
function read({ Reader, Peer, Time }) {
  if (Reader !== peer || Peer !== me) {
    return;
  }
  readUpTo = Math.max(readUpTo, Time);
  for (const li of $('log').querySelectorAll('.mine')) {
    tick(li, false);
  }
}

// add shows a message in its place, or what has become of one that is shown already. It
// reports whether it was new.
function add(m) {
  let li = [...$('log').children].find((other) => other.dataset.key === m.MsgKey);
  const isNew = !li;
  let end = false;
  if (isNew) {
    li = row(m);
    const after = [...$('log').children].reverse().find((other) => isBefore(other, li));
    end = after === ($('log').lastElementChild ?? undefined);
    if (after) {
      after.after(li);
    } else {
      $('log').prepend(li);
    }
  }
  if (isRecalled(m)) {
    li.dataset.state = 'recalled';
    li.querySelector('.text').textContent = `${m.From_Account === me ? 'You' : m.From_Account} took a message back.`;
    li.querySelector('button')?.remove();
    li.querySelector('.tick')?.remove();
  } else if (m.From_Account === me) {
    tick(li, m.IsPeerRead === 1);
  }
  if (end) {
    $('log').scrollTop = $('log').scrollHeight;
  }
  return isNew;
}

// Messages of one second are in the order of their numbers.
function isBefore(a, b) {
  return (a.dataset.time - b.dataset.time || a.dataset.box - b.dataset.box) <= 0;
}

function row(m) {
  const li = document.createElement('li');
  Object.assign(li.dataset, { key: m.MsgKey, time: m.MsgTimeStamp, box: m.Box, state: 'sent' });
  li.className = m.From_Account === me ? 'mine' : 'theirs';
  const time = element('time', new Date(m.MsgTimeStamp * 1000).toLocaleTimeString([], { timeStyle: 'short' }));
  time.dateTime = new Date(m.MsgTimeStamp * 1000).toISOString();
  const foot = element('small', `${m.From_Account}, `);
  foot.append(time);
  li.append(element('span', textOf(m), 'text'), foot);
  if (m.From_Account === me) {
    foot.append(element('span', '', 'tick'));
    li.append(recallButton(m));
  }
  return li;
}

function element(name, content, className = '') {
  const made = document.createElement(name);
  made.textContent = content;
  made.className = className;
  return made;
}

function textOf(m) {
  return m.MsgBody.map((e) => (e.MsgType === 'TIMTextElem' ? e.MsgContent.Text : `(${e.MsgType})`)).join(' ');
}

function tick(li, isRead) {
  if (li.dataset.state === 'sent' && (isRead || Number(li.dataset.time) <= readUpTo)) {
    li.dataset.state = 'read';
  }
  const span = li.querySelector('.tick');
  if (span) {
    span.textContent = li.dataset.state === 'read' ? ' ✓✓ read' : ' ✓ sent';
  }
}

function recallButton(m) {
  const button = element('button', 'Recall');
  button.type = 'button';
  button.setAttribute('aria-label', `Recall: ${textOf(m)}`);
  // What the others see changes when the recall comes back as an event, and so it does here.
  button.addEventListener('click', () => attempt(() => chat.recall(peer, m.MsgKey)));
  return button;
}

// ---- the page ------------------------------------------------------------------------

function show(state, what) {
  $('state').dataset.state = state;
  $('state').textContent = what;
  $('send').disabled = state !== 'connected';
}

function note(id, what) {
  $(id).textContent = what;
  $(id).hidden = !what;
}

// attempt tells of what failed.
async function attempt(what) {
  try {
    await what();
    note('fault', '');
  } catch (err) {
    note('fault', `Failed: ${err.code ?? ''} ${err.message}`);
  }
}

$('send-form').addEventListener('submit', (event) => {
  event.preventDefault();
  attempt(async () => {
    const what = $('text').value;
    $('text').value = '';
    try {
      await chat.send(peer, text(what)); // it is shown when it comes, as on other devices
    } catch (err) {
      $('text').value ||= what;
      throw err;
    }
  });
});
$('earlier').addEventListener('click', () => attempt(earlier));
document.addEventListener('visibilitychange', () => chat && opened && attempt(seen));

if (me && peer) {
  $('title').textContent = `${me} and ${peer}`;
  $('talk').hidden = false;
  attempt(open);
} else {
  $('who-form').hidden = false;
}
