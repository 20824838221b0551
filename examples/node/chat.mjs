// What a client does to have every message once and in order, though its connection comes
// and goes. Nothing here is of Node or of the browser: the page of ../browser uses it too.
//
// Each account has a box, in which the server numbers what concerns it: messages to it, those
// that it sent itself, also from other devices, and recalls. A device keeps the number of the
// last one that it has seen. The next number is news, a lower one is known, and after a gap it
// asks for what lies between.

const limit = 100; // messages that sync returns at the most
const retryDelay = 1000; // milliseconds until the next try if the server could not sync now
const recalled = 8; // the bit of MsgFlagBits

// Codes of the centrifuge client for calls that got no answer: they may have worked or not.
const unanswered = new Set([1 /* timeout */, 2 /* transport closed */, 10 /* write error */, 11 /* connection closed */]);

/** text returns the MsgBody of a message that is plain text. */
export const text = (what) => [{ MsgType: 'TIMTextElem', MsgContent: { Text: what } }];

/** isRecalled reports whether a message was taken back; its MsgBody is empty then. */
export const isRecalled = (message) => (message.MsgFlagBits & recalled) !== 0;

/**
 * Chat is the messages of one device. Its events, for on:
 *
 *   message(m, missed)  a message, as in admin_getroammsg; missed: sent while the device was away
 *   recall(m)           m.MsgKey is to be shown no more, even if it was never shown, or not for the first time
 *   read(r)             r.Reader has read what r.Peer sent, up to the second r.Time
 *   synced(count)       nothing is missed any more; count is how many messages were
 *   fault(err)          the server could not sync or note an ack; it is tried again
 */
export class Chat {
  /**
   * client is a centrifuge client that is not connected yet. after is the last number that the
   * device has seen, if it keeps messages itself; without it the server goes by its acks.
   */
  constructor(client, { after, ackDelay = 500 } = {}) {
    Object.assign(this, { client, last: after, acked: after ?? 0, ackDelay, handlers: {}, timers: {} });
    client.on('connected', () => this.sync()); // each time: something may have come in between
    client.on('publication', ({ data }) => this.arrived(data));
  }

  on(event, handler) {
    this.handlers[event] = handler;
    return this;
  }

  /**
   * send returns the MsgKey and MsgTime of the message. If the connection breaks before the
   * answer it is sent again, with the same numbers, by which the server knows it: nobody gets it
   * twice. The message then also comes as an event, to this device as to the others.
   */
  async send(to, body) {
    const message = { To_Account: to, MsgSeq: random32(), MsgRandom: random32(), MsgBody: body };
    for (let tries = 1; ; tries++) {
      try {
        return await this.call('sendC2C', message); // waits for the connection, if there is none now
      } catch (err) {
        if (tries === 3 || !unanswered.has(err.code)) {
          throw err;
        }
      }
    }
  }

  /** recall takes back what this account sent to another in the last two minutes. */
  recall(to, key) {
    return this.call('recall', { To_Account: to, MsgKey: key });
  }

  /** read tells that all which peer sent up to a second is read: the MsgTimeStamp of the last one. */
  read(peer, time) {
    return this.call('read', { Peer_Account: peer, Time: time });
  }

  /** unread counts what peer sent and nobody read here. */
  async unread(peer) {
    return (await this.call('unread', { Peer_Account: peer })).Unread;
  }

  /** history returns a page of Messages, oldest first; before is the LastMsgKey of the page after it. */
  history(peer, { count = 20, before } = {}) {
    return this.call('history', { Peer_Account: peer, MaxCnt: count, ...(before && { LastMsgKey: before }) });
  }

  /** close acknowledges what was seen. Call it before the client disconnects. */
  async close() {
    Object.values(this.timers).forEach(clearTimeout);
    await this.acknowledge();
  }

  async call(method, data) {
    return (await this.client.rpc(method, data)).data;
  }

  // arrived is what the server pushes.
  arrived(data) {
    if (data.Event === 'Read') {
      this.emit('read', data);
    } else if (!data.Event && (data.Box === 0 || data.Box === this.last + 1)) {
      this.deliver(data, false); // 0: is kept nowhere, and reaches only who is online
    } else if (!data.Event && !(data.Box <= this.last)) {
      this.sync();
    }
  }

  // sync catches up. There is one at a time; what comes meanwhile makes it look once more.
  async sync() {
    this.behind = true;
    if (this.syncing) {
      return;
    }
    this.syncing = true;
    while (this.behind) {
      this.behind = false;
      try {
        this.emit('synced', await this.catchUp());
      } catch (err) {
        this.emit('fault', err); // without a connection, the next one syncs
        this.later('sync', retryDelay, () => this.client.state === 'connected' && this.sync());
      }
    }
    this.syncing = false;
  }

  async catchUp() {
    for (let count = 0; ;) {
      const after = this.last;
      const { Messages, Last } = await this.call('sync', { Limit: limit, ...(after !== undefined && { After: after }) });
      if (after > Last) { // the server has lost its store, and numbers from 1 again
        this.last = this.acked = 0;
        continue;
      }
      for (const message of Messages) {
        count += this.deliver(message, true);
      }
      // Numbers are missing where messages have expired, at the end as well.
      if (Messages.length < limit) {
        this.last = Math.max(this.last ?? 0, Last);
      }
      if (this.last >= Last) {
        return count;
      }
    }
  }

  // deliver reports whether it was a message that the device has not had.
  deliver(message, missed) {
    if (message.Box !== 0) {
      if (message.Box <= this.last) {
        return false; // pushed while sync was under way
      }
      this.last = message.Box;
      // A device that keeps messages acknowledges once they are safe; this one has nothing to lose.
      this.later('ack', this.ackDelay, () => this.acknowledge().catch((err) => this.emit('fault', err)));
    }
    this.emit(isRecalled(message) ? 'recall' : 'message', message, missed);
    return !isRecalled(message);
  }

  async acknowledge() {
    const box = this.last;
    if (box > this.acked) {
      await this.call('ack', { Box: box });
      this.acked = box;
    }
  }

  // later does something after a delay, once however often it is called until then.
  later(name, delay, what) {
    this.timers[name] ??= setTimeout(() => {
      delete this.timers[name];
      what();
    }, delay);
  }

  emit(event, ...args) {
    this.handlers[event]?.(...args);
  }
}

function random32() {
  return Math.floor(Math.random() * 2 ** 32);
}
