// Settings of the examples: options of the command line, else environment variables, of
// which those that begin with MUSTER_ are the ones that muster's own command line reads.

import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

/**
 * read returns the settings of all examples, url, sdkAppID, key and admin, and those in
 * extra, each of which has a name (that of its option), an env, a default and a help. If
 * something is wrong it says so and ends the process with exit code 2.
 */
export function read(extra = []) {
  try {
    return parse(extra);
  } catch (err) {
    console.error(err.message);
    process.exit(2);
  }
}

function parse(extra) {
  const all = [...common, ...extra];
  const options = Object.fromEntries(all.map((s) => [s.name, { type: 'string' }]));
  const { values } = parseArgs({ options });
  const get = ({ name, env, default: otherwise }) => values[name] ?? process.env[env] ?? otherwise;
  const got = Object.fromEntries(all.map((s) => [s.name, get(s)]));
  // What was said outright wins over the file, and the file over what is usual.
  const app = got.app ? JSON.parse(readFileSync(got.app, 'utf8')) : {};
  const settings = {
    ...got,
    url: got.url.replace(/\/+$/, ''),
    sdkAppID: Number(got.sdkappid ?? app.sdkappid),
    key: readKey(got.key ?? app.key),
    admin: got.admin ?? app.admin ?? 'administrator',
  };
  if (!(settings.sdkAppID > 0) || !settings.key) {
    throw new Error(`The App is missing: name its file, or its SDKAppID and Key.\n${usage(all)}`);
  }
  return settings;
}

const common = [
  { name: 'url', env: 'MUSTER_URL', default: 'http://127.0.0.1:8080', help: 'the server' },
  { name: 'app', env: 'MUSTER_APP_FILE', help: 'a file with the App, such as muster-data/dev.json of make run' },
  { name: 'sdkappid', env: 'MUSTER_SDKAPPID', help: 'the App, if there is no file' },
  { name: 'key', env: 'MUSTER_KEY', help: 'its Key, or @FILE' },
  { name: 'admin', env: 'MUSTER_ADMIN', help: 'one of its admins (administrator)' },
];

// A Key on the command line can be seen by everybody on the machine, one in a file cannot.
function readKey(key) {
  return key?.startsWith('@') ? readFileSync(key.slice(1), 'utf8').trim() : key;
}

function usage(all) {
  return all.map((s) => `  --${s.name.padEnd(10)} $${s.env.padEnd(16)} ${s.help}`).join('\n');
}
