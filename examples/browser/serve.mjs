// The backend of the browser example: it serves the page, signs UserSigs and calls the REST
// API for it. The App's Key stays here. The page's device speaks with Muster directly.
//
// A real backend would first make sure who asks: this one signs for whoever comes, and is
// meant for your own machine. Settings are those of ../node/settings.mjs, and --port.

import { createReadStream } from 'node:fs';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { Backend, CallError } from '../node/backend.mjs';
import { read } from '../node/settings.mjs';

const maxBody = 16 << 10; // bytes

const settings = read([{ name: 'port', env: 'PORT', default: '3000', help: 'where the page is; 0 is any free port' }]);
const backend = new Backend(settings);

const files = {
  '/': ['index.html', 'text/html; charset=utf-8'],
  '/chat.html': ['chat.html', 'text/html; charset=utf-8'],
  '/chat.js': ['chat.js', 'text/javascript; charset=utf-8'],
  '/chat.mjs': ['../node/chat.mjs', 'text/javascript; charset=utf-8'],
  '/app.js': ['app.js', 'text/javascript; charset=utf-8'],
  '/style.css': ['style.css', 'text/css; charset=utf-8'],
  '/centrifuge.js': ['../node/node_modules/centrifuge/dist/centrifuge.js', 'text/javascript; charset=utf-8'],
};

const calls = {
  '/api/login': async ({ UserID }) => ({
    URL: settings.url, SDKAppID: settings.sdkAppID, UserID, UserSig: backend.userSig(UserID),
  }),
  '/api/status': ({ UserIDs }) => backend.status(UserIDs),
  '/api/import': async ({ UserID }) => {
    await backend.importAccount(UserID);
    return {};
  },
  '/api/kick': async ({ UserID }) => {
    await backend.kick(UserID);
    return {};
  },
};

// The page may load what is its own, and speak with Muster beside this server.
const policy = `default-src 'self'; img-src data:; connect-src 'self' ${settings.url} ${settings.url.replace(/^http/, 'ws')}`;

const server = createServer((request, response) => {
  const { pathname } = new URL(request.url, 'http://localhost');
  if (!/^(127\.0\.0\.1|localhost):\d+$/.test(request.headers.host)) {
    response.writeHead(403).end(); // a name that somebody else has pointed at this machine
  } else if (request.method === 'GET' && files[pathname]) {
    sendFile(response, ...files[pathname]);
  } else if (request.method === 'POST' && calls[pathname]) {
    answer(request, response, calls[pathname]);
  } else {
    response.writeHead(404).end();
  }
});

function sendFile(response, name, type) {
  const stream = createReadStream(fileURLToPath(new URL(name, import.meta.url)));
  stream.on('open', () => {
    response.writeHead(200, { 'Content-Type': type, 'Content-Security-Policy': policy, 'X-Content-Type-Options': 'nosniff' });
    stream.pipe(response);
  });
  stream.on('error', (err) => {
    console.error(`serve: ${err.message}: run npm ci in ../node first`);
    response.writeHead(404).end();
  });
}

async function answer(request, response, call) {
  try {
    send(response, 200, await call(await readBody(request)));
  } catch (err) {
    send(response, err instanceof CallError ? 502 : 400, { error: err.message });
  }
}

async function readBody(request) {
  // Pages of other origins cannot send this type without being allowed to, which they are not.
  if (request.headers['content-type'] !== 'application/json') {
    throw new Error('the body must be application/json');
  }
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) {
    text += chunk;
    if (text.length > maxBody) {
      throw new Error('the body is too long');
    }
  }
  return JSON.parse(text);
}

function send(response, status, body) {
  response.writeHead(status, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' });
  response.end(JSON.stringify(body));
}

server.listen(Number(settings.port), '127.0.0.1', () => {
  console.log(`listening http=127.0.0.1:${server.address().port}`);
});
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    server.close();
    server.closeAllConnections();
  });
}
