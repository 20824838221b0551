// What an app's own backend does: it has the App's Key, signs UserSigs for the accounts
// that it has let in, and calls the REST API as an admin. None of this belongs into a client.

import { randomInt } from 'node:crypto';
import { sign } from './usersig.mjs';

const callTimeout = 10_000; // milliseconds; a kick takes up to one second

/** CallError is a call that the server refused, with the documented code. */
export class CallError extends Error {
  constructor(command, code, info) {
    super(`${command}: ${code} ${info}`);
    this.code = code;
  }
}

/** Backend calls the REST API of one App. */
export class Backend {
  /** settings are url, sdkAppID, key and admin; see settings.mjs. */
  constructor(settings) {
    this.settings = settings;
  }

  /** userSig signs for any account of the App. */
  userSig(userID, expire) {
    const { sdkAppID, key } = this.settings;
    return sign({ sdkAppID, key, userID, expire });
  }

  /** call posts one command and returns the reply, or throws CallError. */
  async call(command, body) {
    const { url, sdkAppID, admin } = this.settings;
    const query = new URLSearchParams({
      sdkappid: sdkAppID,
      identifier: admin,
      usersig: this.userSig(admin, 600),
      random: randomInt(2 ** 32),
      contenttype: 'json',
    });
    const response = await fetch(`${url}/v4/${command}?${query}`, {
      method: 'POST',
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(callTimeout),
    });
    if (response.status !== 200) {
      // Refusals of the API come with status 200, so this is not its answer.
      throw new Error(`${command}: HTTP status ${response.status}`);
    }
    const reply = await response.json();
    if (reply.ErrorCode !== 0) {
      throw new CallError(command, reply.ErrorCode, reply.ErrorInfo);
    }
    return reply;
  }

  /** importAccount makes the account; if it is there already, nothing changes. */
  importAccount(userID) {
    return this.call('im_open_login_svc/account_import', { UserID: userID });
  }

  /**
   * kick ends every session of the account. When it has returned, all UserSigs made before
   * are dead, and one made from now on works.
   */
  kick(userID) {
    return this.call('im_open_login_svc/kick', { UserID: userID });
  }

  /** sendMessage sends in the name of an account, which need not be logged in; see chat.mjs for body. */
  sendMessage(from, to, body) {
    return this.call('openim/sendmsg', {
      From_Account: from, To_Account: to, MsgSeq: randomInt(2 ** 32), MsgRandom: randomInt(2 ** 32), MsgBody: body,
    });
  }

  /** history returns the last messages between two accounts, as userID sees them, oldest first. */
  async history(userID, peer) {
    const reply = await this.call('openim/admin_getroammsg', {
      Operator_Account: userID, Peer_Account: peer, MaxCnt: 100, MinTime: 0, MaxTime: 2 ** 32,
    });
    return reply.MsgList;
  }

  /**
   * status returns an item for each of the names, in their order: To_Account, Status
   * (Online, PushOnline or Offline), CustomStatus, and in Detail the devices. An account
   * that does not exist has an ErrorCode in place of a Status.
   */
  async status(userIDs) {
    const reply = await this.call('openim/query_online_status', {
      To_Account: userIDs,
      IsNeedDetail: 1,
      IsReturnInstid: 1,
      IsReturnCustomStatus: 1,
    });
    const items = new Map();
    for (const item of [...reply.QueryResult, ...(reply.ErrorList ?? [])]) {
      items.set(item.To_Account, item);
    }
    return userIDs.map((id) => items.get(id));
  }
}
