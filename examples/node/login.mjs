// The life of a login, from the first to the last word of it: an account is imported, logs
// in, is seen online, is kicked, is refused with its old UserSig, comes back with a new one,
// and logs out. Each step checks what the server says; the first that differs ends the
// script with exit code 1. Run it with --app or see settings.mjs; README.md has a transcript.
//
// A real app has two halves of this: its client connects, its backend (the object below)
// signs UserSigs and calls the REST API. Here they share a process, to be read in one go.

import { Centrifuge } from 'centrifuge';
import { EventSource } from 'eventsource';
import WebSocket from 'ws';
import { Backend } from './backend.mjs';
import { read } from './settings.mjs';

const patience = 10_000; // milliseconds until a step counts as failed

const settings = read([
  { name: 'userid', env: 'USERID', default: 'node-example', help: 'the account' },
  { name: 'platform', env: 'PLATFORM', default: 'Web', help: 'iPhone, Android, Web, PC, iPad, Mac or Linux' },
  { name: 'transport', env: 'TRANSPORT', default: 'websocket', help: 'websocket, http_stream or sse' },
]);
const { url, sdkAppID, userid: userID, platform, transport } = settings;
const backend = new Backend(settings);

// ---- the client ----------------------------------------------------------------------

// What a device keeps between two logins. The server names the device when it first logs
// in; one that comes back under that name is the same device, not one more.
const device = { userSig: '', instanceID: undefined };

function newClient() {
  const paths = { websocket: '/connection/websocket', http_stream: '/connection/http_stream', sse: '/connection/sse' };
  if (!(transport in paths)) {
    throw new Error(`there is no transport ${transport}, only ${Object.keys(paths).join(', ')}`);
  }
  const base = transport === 'websocket' ? url.replace(/^http/, 'ws') : url;
  return new Centrifuge([{ transport, endpoint: base + paths[transport] }], {
    // Browsers have these two; Node needs to be given them.
    websocket: WebSocket,
    eventsource: EventSource,
    emulationEndpoint: `${url}/emulation`, // the way up beside http_stream and sse, which lead down
    // Asked before every attempt to connect, also when the client reconnects by itself. A real
    // client asks its backend for a new UserSig here once the one it has has become old.
    getData: async () => ({
      SDKAppID: sdkAppID,
      UserID: userID,
      UserSig: device.userSig,
      Platform: platform,
      InstanceID: device.instanceID,
      PushCapable: false, // true for a mobile app that can be reached by push while it is away
    }),
  });
}

// outcome waits for the next time that the client is either connected or disconnected for
// good. Codes from 4500 on are final: the client does not try again by itself, since the
// same UserSig would be refused again. After others it does, with growing pauses.
function outcome(client) {
  return new Promise((resolve, reject) => {
    const settle = (what) => (event) => {
      clearTimeout(timer);
      client.removeAllListeners();
      resolve({ connected: what === 'connected', ...event });
    };
    const timer = setTimeout(() => {
      client.removeAllListeners();
      reject(new Error(`the client is still ${client.state} after ${patience / 1000} s`));
    }, patience);
    client.on('connected', settle('connected'));
    client.on('disconnected', settle('disconnected'));
  });
}

function connect(client) {
  const result = outcome(client);
  client.connect();
  return result;
}

// ---- the transcript ------------------------------------------------------------------

let steps = 0;

function tell(name, text) {
  steps += 1;
  console.log(`${String(steps).padStart(2)}. ${name.padEnd(14)} ${text}`);
}

function expect(ok, what, got) {
  if (!ok) {
    throw new Error(`step ${steps + 1}: expected ${what}, got ${JSON.stringify(got)}`);
  }
}

function expectOut(result, code, start) {
  const good = !result.connected && result.code === code && result.reason.startsWith(start);
  expect(good, `to be put out with ${code} and a reason that begins with "${start}"`, result);
  return `${result.code}: ${result.reason}`;
}

// ask queries the presence of the account, which must be as it is said.
async function ask(status, customStatus) {
  const [item] = await backend.status([userID]);
  const detail = item.Detail ?? [];
  expect(item.Status === status && item.State === status, status, item);
  expect((item.CustomStatus ?? '') === customStatus, `the custom status "${customStatus}"`, item);
  if (status === 'Offline') {
    expect(detail.length === 0, 'no device', item);
  } else {
    const [own] = detail;
    const good = detail.length === 1 && own.Platform === platform && own.Instid === device.instanceID;
    expect(good && own.Status === status, `this device alone, ${status} on ${platform}`, item);
  }
  const devices = detail.map((d) => `${d.Platform} ${d.Status}`).join(', ');
  return [item.Status, devices && `(${devices})`, item.CustomStatus && `"${item.CustomStatus}"`].filter(Boolean).join(' ');
}

// ---- the steps -----------------------------------------------------------------------

async function run(client) {
  console.log(`Muster at ${url}, App ${sdkAppID}: ${userID} on ${platform} over ${transport}`);

  await backend.importAccount(userID);
  tell('import', `${userID} is there`);

  device.userSig = backend.userSig(userID);
  const first = await connect(client);
  expect(first.connected && first.data?.InstanceID, 'to be connected, with an InstanceID', first);
  device.instanceID = first.data.InstanceID;
  tell('log in', `connected, instance ${device.instanceID}`);
  tell('ask', await ask('Online', ''));

  // The session ends while the call is under way; the call returns when a new UserSig works.
  const [putOut] = await Promise.all([outcome(client), backend.kick(userID)]);
  tell('kick', expectOut(putOut, 4501, '70052 '));
  tell('ask', await ask('Offline', ''));

  const refused = await connect(client);
  tell('old UserSig', expectOut(refused, 4500, '70052 '));

  device.userSig = backend.userSig(userID);
  const back = await connect(client);
  expect(back.connected && back.data?.InstanceID === device.instanceID, 'to be connected as the same device', back);
  tell('sign again', 'connected, the same instance');
  tell('ask', await ask('Online', ''));

  await client.rpc('set_status', { CustomStatus: 'busy' });
  tell('custom status', await ask('Online', 'busy'));

  // To disconnect is not to log out: a device that can be reached by push stays PushOnline.
  const [loggedOut] = await Promise.all([outcome(client), client.rpc('logout', {})]);
  tell('log out', expectOut(loggedOut, 4504, ''));
  tell('ask', await ask('Offline', ''));

  console.log(`All ${steps} steps went as expected.`);
}

let client;
try {
  client = newClient();
  await run(client);
} catch (err) {
  console.error(`login: ${err.message}`);
  process.exitCode = 1;
} finally {
  client?.disconnect(); // or it would keep the process from ending
}
