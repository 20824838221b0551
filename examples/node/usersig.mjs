// UserSigs, version 2.0: the credential with which an account proves who it is. Only a
// backend makes them, since whoever has the App's Key can be any account of the App.
// In Go the same is usersig.Sign, on the command line muster usersig sign.

import { createHmac } from 'node:crypto';
import { deflateSync } from 'node:zlib';

/**
 * sign returns a UserSig of userID that is good for expire seconds from time on.
 *
 * The Key is used as text, as it stands in the App's settings, even if it looks like hex.
 * time is in Unix seconds. A UserSig is dead from a kick on if its time is not after it.
 */
export function sign({ sdkAppID, key, userID, time = now(), expire = 86400 }) {
  const claims = [
    `TLS.identifier:${userID}\n`,
    `TLS.sdkappid:${sdkAppID}\n`,
    `TLS.time:${time}\n`,
    `TLS.expire:${expire}\n`,
  ].join('');
  const json = JSON.stringify({
    'TLS.ver': '2.0',
    'TLS.identifier': String(userID),
    'TLS.sdkappid': Number(sdkAppID),
    'TLS.expire': expire,
    'TLS.time': time,
    'TLS.sig': createHmac('sha256', key).update(claims).digest('base64'),
  });
  // The alphabet is one of its own, which needs no escapes in a URL.
  return deflateSync(json).toString('base64').replaceAll('+', '*').replaceAll('/', '-').replaceAll('=', '_');
}

function now() {
  return Math.floor(Date.now() / 1000);
}
