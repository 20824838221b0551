// A client of Muster: it logs a device in with the public centrifuge library. It never sees
// the App's Key; a UserSig and all that the REST API knows it gets from its own backend,
// which is serve.mjs here.

/* global Centrifuge */

const $ = (id) => document.getElementById(id);

let client = null; // of the login now, or of the last one
let login = null; // what it was told by the backend: URL, SDKAppID, UserID, UserSig
let asked = 0; // how many times presence was asked for

// ---- the backend ---------------------------------------------------------------------

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

// ---- the device ----------------------------------------------------------------------

// A device keeps the name that the server gave it, so that it is the same device when it
// comes back. In the browser each tab is a device.
const instance = {
  key: () => `muster-instance ${login.UserID} ${$('platform').value}`,
  get: () => sessionStorage.getItem(instance.key()) ?? undefined,
  set: (id) => sessionStorage.setItem(instance.key(), id),
};

function newClient() {
  const ws = login.URL.replace(/^http/, 'ws');
  // The later ones are for networks that let no WebSocket through.
  const transports = [
    { transport: 'websocket', endpoint: `${ws}/connection/websocket` },
    { transport: 'http_stream', endpoint: `${login.URL}/connection/http_stream` },
    { transport: 'sse', endpoint: `${login.URL}/connection/sse` },
  ];
  const only = new URLSearchParams(location.search).get('transport');
  const made = new Centrifuge(transports.filter((t) => !only || t.transport === only), {
    emulationEndpoint: `${login.URL}/emulation`,
    getData: async () => ({
      SDKAppID: login.SDKAppID,
      UserID: login.UserID,
      UserSig: login.UserSig,
      Platform: $('platform').value,
      InstanceID: instance.get(),
    }),
  });
  made.on('connecting', () => show('connecting', `Logging in ${login.UserID}…`));
  made.on('connected', connected);
  made.on('disconnected', disconnected);
  return made;
}

function connected(event) {
  instance.set(event.data.InstanceID);
  $('end').hidden = true;
  show('connected', `${login.UserID} is logged in on ${$('platform').value} over ${event.transport}.`);
  ask();
}

// The client gave up. From 4500 on the code says that to try again with the same UserSig is
// of no use; the reason begins with a code of the REST API if there is one.
function disconnected(event) {
  $('code').textContent = event.code;
  $('reason').textContent = event.reason;
  $('end').hidden = false;
  show('disconnected', `${login.UserID} is not logged in: ${event.code} ${event.reason}`);
  ask();
}

function show(state, text) {
  $('state').dataset.state = state;
  $('state').textContent = text;
  $('login').disabled = state !== 'disconnected';
  $('old').disabled = state !== 'disconnected' || !login;
  $('logout').disabled = state !== 'connected';
  $('set').disabled = state !== 'connected';
  $('userid').readOnly = state !== 'disconnected';
  $('platform').disabled = state !== 'disconnected';
  tell(text);
}

function tell(text) {
  const item = document.createElement('li');
  item.textContent = text;
  $('log').append(item);
}

// logIn has the backend sign a new UserSig, then connects with it.
async function logIn() {
  $('login').disabled = true;
  try {
    login = await backend('login', { UserID: $('userid').value });
    client = newClient();
    client.connect();
  } finally {
    $('login').disabled = client !== null && client.state !== 'disconnected';
  }
}

async function setStatus() {
  await client.rpc('set_status', { CustomStatus: $('custom').value });
  tell(`custom status: ${$('custom').value || 'none'}`);
  await ask();
}

// ---- presence ------------------------------------------------------------------------

// ask shows the presence of the named accounts. Of two questions under way the later counts.
async function ask() {
  const number = ++asked;
  const names = $('names').value.split(/[\s,]+/).filter(Boolean);
  try {
    const items = await backend('status', { UserIDs: names });
    if (number === asked) {
      showAccounts(items);
    }
  } catch (err) {
    tell(`presence: ${err.message}`);
  }
}

// showAccounts keeps the rows of accounts that are shown already, so that an answer takes
// neither the focus nor a click that is just being made.
function showAccounts(items) {
  const old = new Map([...$('accounts').children].map((li) => [li.dataset.userid, li]));
  for (const item of items) {
    const li = old.get(item.To_Account) ?? newRow(item.To_Account);
    fill(li, item);
    old.delete(item.To_Account);
  }
  for (const li of old.values()) {
    li.remove();
  }
}

function newRow(userID) {
  const li = document.createElement('li');
  li.dataset.userid = userID;
  li.append(document.createElement('span'), kickButton(userID));
  $('accounts').append(li);
  return li;
}

function fill(li, item) {
  const status = item.Status ?? (item.ErrorCode === 70107 ? 'no such account' : `error ${item.ErrorCode}`);
  const devices = (item.Detail ?? []).map((d) => `${d.Platform} ${d.Status}`).join(', ');
  const notes = [devices, item.CustomStatus].filter(Boolean).join('; ');
  li.dataset.status = status;
  li.querySelector('span').textContent = `${item.To_Account}: ${status}${notes && ` (${notes})`}`;
  li.querySelector('button').hidden = !item.Status;
}

function kickButton(userID) {
  const button = document.createElement('button');
  button.type = 'button';
  button.textContent = 'Kick';
  button.setAttribute('aria-label', `Kick ${userID}`);
  button.addEventListener('click', () => attempt(async () => {
    await backend('kick', { UserID: userID });
    tell(`${userID} was kicked: UserSigs signed before are dead`);
    await ask();
  }));
  return button;
}

// ---- the page ------------------------------------------------------------------------

// attempt tells of what failed.
async function attempt(what) {
  try {
    await what();
  } catch (err) {
    tell(`failed: ${err.message}`);
  }
}

function onSubmit(id, what) {
  $(id).addEventListener('submit', (event) => {
    event.preventDefault();
    attempt(what);
  });
}

onSubmit('login-form', logIn);
onSubmit('custom-form', setStatus);
onSubmit('ask-form', ask);
$('old').addEventListener('click', () => client.connect());
$('logout').addEventListener('click', () => attempt(() => client.rpc('logout', {})));
