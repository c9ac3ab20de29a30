/** Sessions over real sockets: tickets, hello, messages, limits, resume, drain. */
import WebSocket from 'ws';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { limits } from '../../platform/limits.ts';
import type { ChannelId, Incarnation, UserId } from '../../protocol/ids.ts';
import { GatewayLab, tokenHash } from '../support/gateway-lab.ts';
import type { RtmSocket } from '../support/rtm-socket.ts';
import { until } from '../support/until.ts';

const ALICE = 'U0ALICE' as UserId;
const BOB = 'U0BOBBY' as UserId;
const GENERAL = 'C0GENERAL' as ChannelId;
const RANDOM = 'C0RANDOM' as ChannelId;

let lab: GatewayLab;
beforeEach(async () => {
  lab = await GatewayLab.start();
  lab.owner.join(ALICE, GENERAL);
  lab.owner.join(BOB, GENERAL);
});
afterEach(() => lab.stop());

function say(text: string, user = BOB): number {
  const { seq } = lab.owner.say(GENERAL, user, text);
  lab.emit();
  return seq;
}

const texts = (socket: RtmSocket) => socket.messages(GENERAL).map((frame) => frame['text']);
const named = (text: string) => (frame: Record<string, unknown>) => frame['text'] === text;

describe('a ticket', () => {
  it('opens a session once; the second time the client is told, and fetches a new URL', async () => {
    const ticket = lab.ticket(ALICE);
    const first = lab.open(ticket);
    await first.frame((frame) => frame.type === 'hello');
    const second = lab.open(ticket);
    expect(await second.closed).toBe(4101);
    expect(second.frames).toEqual([{ type: 'error', error: { code: 1, msg: 'Socket URL has expired' } }]);
  });

  it('is refused when it expired, was tampered with, or is for another gateway', async () => {
    const expired = lab.ticket(ALICE, { expiresAtMs: 1 });
    const other = lab.ticket(ALICE, { gateway: 'gateway-2-LIFE' as Incarnation });
    const tampered = `${lab.ticket(ALICE).slice(0, -2)}xx`;
    for (const ticket of [expired, other, tampered, 'x', '%00%ff']) expect(await lab.open(ticket).closed).toBe(4101);
    expect(lab.gateway.sessions()).toBe(0);
  });
});

describe('a session', () => {
  it('gets hello first, then what happens in its channels, live', async () => {
    const alice = await lab.session(ALICE);
    say('one');
    say('two');
    await alice.frame(named('two'));
    expect(alice.frames[0]).toEqual({ type: 'hello' });
    expect(texts(alice)).toEqual(['one', 'two']);
    expect(alice.messages(GENERAL).map((frame) => frame['seq'])).toEqual([3, 4]);
  });

  it('gets an ack for its own message in place of the event; others, its user included, get the event', async () => {
    const alice = await lab.session(ALICE);
    const also = await lab.session(ALICE);
    const bob = await lab.session(BOB);
    const id = alice.send({ type: 'message', channel: GENERAL, text: 'hi' });
    const ack = await alice.frame((frame) => frame['reply_to'] === id);
    expect(ack).toEqual({ ok: true, reply_to: id, ts: expect.stringMatching(/^\d{10}\.\d{6}$/), text: 'hi', seq: 3 });
    await bob.frame(named('hi'));
    await also.frame(named('hi'));
    say('after');
    await alice.frame(named('after'));
    expect(texts(alice)).toEqual(['after']);
  });

  it('keeps the order of its messages to one channel', async () => {
    const alice = await lab.session(ALICE);
    const bob = await lab.session(BOB);
    const sent = Array.from({ length: 30 }, (_, n) => `m${n}`);
    for (const text of sent) alice.send({ type: 'message', channel: GENERAL, text });
    await bob.frame(named('m29'));
    expect(texts(bob)).toEqual(sent);
    await until('all acks', () => alice.frames.filter((frame) => frame['ok'] === true).length === 30);
    const acks = alice.frames.filter((frame) => frame['ok'] === true).map((frame) => frame['text']);
    expect(acks).toEqual(sent);
  });

  it('is told what is wrong with a message, and stays', async () => {
    const alice = await lab.session(ALICE);
    const errors = [
      [{ type: 'message', channel: GENERAL }, 'message text is missing'],
      [{ type: 'message', channel: RANDOM, text: 'x' }, 'not_in_channel'],
      [{ type: 'nonsense' }, 'unknown type'],
    ] as const;
    for (const [frame, msg] of errors) {
      const id = alice.send(frame);
      const refusal = await alice.frame((other) => other['reply_to'] === id);
      expect(refusal).toEqual({ ok: false, reply_to: id, error: { code: 2, msg } });
    }
    alice.sendRaw('heartbeat');
    await alice.frame((frame) => frame.type === 'error');
    const id = alice.send({ type: 'ping', time: 5 });
    expect(await alice.frame((frame) => frame['reply_to'] === id)).toEqual({ type: 'pong', reply_to: id, time: 5 });
  });

  it('is closed for a frame over 16 KiB', async () => {
    const alice = await lab.session(ALICE);
    alice.send({ type: 'message', channel: GENERAL, text: 'x'.repeat(17_000) });
    expect(await alice.closed).toBe(4201);
  });

  it('answers protocol pings', async () => {
    const socket = new WebSocket(lab.url(lab.ticket(ALICE)));
    await new Promise((resolve) => socket.once('message', resolve));
    const pong = new Promise((resolve) => socket.once('pong', (data) => resolve(data.toString())));
    socket.ping('hey');
    expect(await pong).toBe('hey');
    socket.terminate();
  });

  it('sees typing of others only', async () => {
    const alice = await lab.session(ALICE);
    const bob = await lab.session(BOB);
    bob.send({ type: 'typing', channel: GENERAL });
    expect(await alice.frame((frame) => frame.type === 'user_typing')).toMatchObject({ user: BOB, channel: GENERAL });
    say('later');
    await bob.frame(named('later'));
    expect(bob.frames.some((frame) => frame.type === 'user_typing')).toBe(false);
  });

  it('follows a channel from its join on, and no longer than its leave', async () => {
    const alice = await lab.session(ALICE);
    lab.owner.say(RANDOM, BOB, 'before');
    lab.owner.join(ALICE, RANDOM);
    lab.emit();
    await alice.frame((frame) => frame.type === 'member_joined_channel' && frame['channel'] === RANDOM);
    lab.owner.say(RANDOM, BOB, 'inside');
    lab.owner.leave(ALICE, RANDOM);
    lab.owner.say(RANDOM, BOB, 'after');
    lab.emit();
    await alice.frame((frame) => frame.type === 'channel_left');
    say('end');
    await alice.frame(named('end'));
    expect(alice.messages(RANDOM).map((frame) => frame['text'])).toEqual(['inside']);
  });

  it('ends when its token is revoked, and is not to come back', async () => {
    const alice = await lab.session(ALICE, { tokenHash: tokenHash('b') });
    const bob = await lab.session(BOB);
    lab.revoke(1, tokenHash('b'));
    expect(await alice.closed).toBe(4200);
    say('still here');
    await bob.frame(named('still here'));
  });

  it('ends too when the message of the revocation was lost, once the next one shows the hole', async () => {
    const alice = await lab.session(ALICE, { tokenHash: tokenHash('b') });
    lab.revoke(1, tokenHash('c'));
    lab.revoked.add(tokenHash('b'));
    lab.revoke(3, tokenHash('d'));
    expect(await alice.closed).toBe(4200);
  });
});

describe('a batch', () => {
  it('is timed once, when it is handled', async () => {
    const alice = await lab.session(ALICE);
    const counted = async () => {
      const { body } = await lab.metrics.expose();
      const line = body.split('\n').find((one) => one.startsWith('belfry_hop_duration_seconds_count{hop="socket"'));
      return Number(line?.split(' ')[1]);
    };
    const before = await counted();
    for (const text of ['one', 'two', 'three']) say(text);
    await alice.frame(named('three'));
    expect(await counted()).toBe(before + 3);
  });
});

describe('many sockets that read too slowly', () => {
  const budget = 16 * 1_024 * 1_024;
  const slowCount = 20;

  it('are cut, the fullest first, until what waits for all of them is within the budget', async () => {
    // No bound of a single socket is in the way.
    const bounds = { socketBackpressureBytesMax: 64 * budget, socketsBackpressureBytesMax: budget };
    const crowded = await GatewayLab.start(bounds);
    crowded.owner.join(ALICE, GENERAL);
    crowded.owner.join(BOB, GENERAL);
    const bob = await crowded.session(BOB);
    const slow = await Promise.all(Array.from({ length: slowCount }, () => openPaused(crowded)));
    const text = 'x'.repeat(30_000);
    const waiting = async () => Number(/^belfry_gateway_waiting_bytes\S* (\d+)/m.exec(await exposed(crowded))?.[1]);
    let saidCount = 0;
    // A little at a time, so that one look at them finds more than may wait, but not more than that for each of them.
    const sayMore = () => {
      for (let n = 0; n < 10; n += 1) crowded.owner.say(GENERAL, ALICE, `${(saidCount += 1)} ${text}`);
      crowded.emit();
      return crowded.gateway.sessions() <= slowCount;
    };
    await until('sockets to be cut', sayMore, 50_000, 100);
    await until('the rest to be within the budget', async () => (await waiting()) <= budget);
    await bob.frame((frame) => String(frame['text']).startsWith(`${saidCount} `));
    expect(bob.messages(GENERAL)).toHaveLength(saidCount);
    const left = crowded.gateway.sessions() - 1;
    expect(left).toBeGreaterThan(0);
    expect(await exposed(crowded)).toMatch(new RegExp(`^belfry_gateway_slow_total\\S* ${slowCount - left}$`, 'm'));
    for (const socket of slow) socket.terminate();
    await crowded.stop();
  }, 60_000);

  async function openPaused(gateway: GatewayLab): Promise<WebSocket> {
    const socket = new WebSocket(gateway.url(gateway.ticket(ALICE)));
    socket.on('error', () => undefined);
    await new Promise((resolve) => socket.once('message', resolve));
    socket.pause();
    return socket;
  }

  const exposed = async ({ metrics }: GatewayLab) => (await metrics.expose()).body;
});

describe('a gap', () => {
  it('left by a lost batch is filled before what follows it', async () => {
    const alice = await lab.session(ALICE);
    lab.owner.say(GENERAL, BOB, 'lost');
    lab.emit(true);
    say('kept');
    await alice.frame(named('kept'));
    expect(texts(alice)).toEqual(['lost', 'kept']);
  });

  it('at the very end is found by the next beat', async () => {
    const alice = await lab.session(ALICE);
    say('first');
    lab.owner.say(GENERAL, BOB, 'last words');
    lab.emit(true);
    lab.beat();
    await alice.frame(named('last words'));
    expect(texts(alice)).toEqual(['first', 'last words']);
  });

  it('that cannot be filled is said', async () => {
    const alice = await lab.session(ALICE);
    lab.owner.say(GENERAL, BOB, 'trimmed');
    lab.emit(true);
    lab.owner.trim(GENERAL, 3);
    say('kept');
    const resync = await alice.frame((frame) => frame.type === 'resync');
    expect(resync).toEqual({ type: 'resync', channel: GENERAL, from: 2 });
    say('after');
    await alice.frame(named('after'));
  });
});

describe('a session that resumes', () => {
  const resume = { resume: true };

  it('gets cursors with hello and nothing else until it has said where it was', async () => {
    const alice = await lab.session(ALICE, resume);
    expect(alice.frames).toEqual([{ type: 'hello', cursors: { [GENERAL]: 2, [ALICE]: 1, T0TEAM: 0 } }]);
    say('missed');
    const ping = alice.send({ type: 'ping' });
    await alice.frame((frame) => frame['reply_to'] === ping);
    expect(texts(alice)).toEqual([]);
    const id = alice.send({ type: 'resume', cursors: {} });
    await alice.frame((frame) => frame['reply_to'] === id);
    say('live');
    await alice.frame(named('live'));
    expect(texts(alice)).toEqual(['missed', 'live']);
  });

  it('gets exactly what it missed, before what is live, in pages', async () => {
    const first = await lab.session(ALICE, resume);
    const again = await lab.session(ALICE, resume);
    const count = 2_300;
    for (let n = 0; n < count; n += 1) lab.owner.say(GENERAL, BOB, `m${n}`);
    lab.emit();
    first.close();
    const id = again.send({ type: 'resume', cursors: { [GENERAL]: 1 } });
    say('live');
    await again.frame(named('live'));
    await again.frame((frame) => frame['reply_to'] === id);
    const seqs = again.frames.filter((frame) => frame['channel'] === GENERAL).map((frame) => frame['seq']);
    expect(seqs).toEqual(Array.from({ length: count + 2 }, (_, n) => n + 2));
  });

  it('is told to reload what is gone, or beyond the end', async () => {
    lab.owner.trim(GENERAL, 2);
    say('kept');
    const gone = await lab.session(ALICE, resume);
    gone.send({ type: 'resume', cursors: { [GENERAL]: 1 } });
    expect(await gone.frame((frame) => frame.type === 'resync')).toEqual({ type: 'resync', channel: GENERAL, from: 1 });
    const ahead = await lab.session(ALICE, resume);
    ahead.send({ type: 'resume', cursors: { [GENERAL]: 900 } });
    expect(await ahead.frame((frame) => frame.type === 'resync')).toMatchObject({ channel: GENERAL, from: 900 });
    say('live');
    await gone.frame(named('live'));
    await ahead.frame(named('live'));
  });

  it('gets a gap of 10,000 events whole, and is told to reload at one more', async () => {
    const before = lab.owner.tail(GENERAL);
    for (let n = 0; n < limits.resumeGapEventsMax; n += 1) lab.owner.say(GENERAL, BOB, `m${n}`);
    const tail = lab.owner.tail(GENERAL);
    lab.owner.takeBatch();
    const whole = await lab.session(ALICE, resume);
    const id = whole.send({ type: 'resume', cursors: { [GENERAL]: before } });
    await whole.frame((frame) => frame['reply_to'] === id);
    const seqs = whole.messages(GENERAL).map((frame) => frame['seq']);
    expect(seqs).toEqual(Array.from({ length: limits.resumeGapEventsMax }, (_, n) => before + 1 + n));
    expect(whole.frames.filter((frame) => frame.type === 'resync')).toEqual([]);

    const further = await lab.session(ALICE, resume);
    const second = further.send({ type: 'resume', cursors: { [GENERAL]: before - 1 } });
    await further.frame((frame) => frame['reply_to'] === second);
    expect(further.frames.filter((frame) => frame['channel'] === GENERAL)).toEqual([
      { type: 'resync', channel: GENERAL, from: before - 1 },
    ]);
    expect(lab.owner.tail(GENERAL)).toBe(tail);
  });

  it('may name its cursors in several frames, and resumes once', async () => {
    const alice = await lab.session(ALICE, resume);
    alice.send({ type: 'resume', cursors: { [GENERAL]: 0 }, last: false });
    const id = alice.send({ type: 'resume', cursors: { [ALICE]: 0 } });
    expect(await alice.frame((frame) => frame['reply_to'] === id)).toEqual({ ok: true, reply_to: id });
    const seqs = alice.frames.filter((frame) => frame['channel'] === GENERAL).map((frame) => frame['seq']);
    expect(seqs).toEqual([1, 2]);
    const second = alice.send({ type: 'resume', cursors: {} });
    const refusal = await alice.frame((frame) => frame['reply_to'] === second);
    expect(refusal).toMatchObject({ ok: false, error: { code: 2, msg: 'already resumed' } });
  });

  it('may send a resume frame of 200 KB, but no other frame of that size', async () => {
    const alice = await lab.session(ALICE, resume);
    const cursors = Object.fromEntries(
      Array.from({ length: 10_000 }, (_, n) => [`C${String(n).padStart(10, '0')}`, n]),
    );
    const id = alice.send({ type: 'resume', cursors });
    expect(await alice.frame((frame) => frame['reply_to'] === id)).toMatchObject({ ok: true });
    alice.send({ type: 'ping', pad: 'x'.repeat(17_000) });
    expect(await alice.closed).toBe(4201);
  });

  it('is told that a resume frame is too large, up to 1 MiB; cut as by the network, it would send it again for ever', async () => {
    for (const bytes of [limits.resumeFrameBytesMax + 1, limits.socketFrameBytesMax]) {
      const alice = await lab.session(ALICE, resume);
      alice.sendRaw(JSON.stringify({ id: 1, type: 'resume', cursors: {} }).padEnd(bytes));
      expect(await alice.closed).toBe(4201);
    }
    const alice = await lab.session(ALICE, resume);
    alice.sendRaw('x'.repeat(limits.socketFrameBytesMax + 1));
    expect(await alice.closed).toBe(1006);
  });
});

describe('a session that does not resume in time', () => {
  it('is closed', async () => {
    const hasty = await GatewayLab.start({ resumeWaitMs: 100 });
    const alice = await hasty.session(ALICE, { resume: true });
    expect(await alice.closed).toBe(4100);
    await hasty.stop();
  });
});

describe('a gateway', () => {
  it('that drains says goodbye, closes every session and takes no more', async () => {
    const alice = await lab.session(ALICE);
    const bob = await lab.session(BOB);
    await lab.gateway.drain();
    expect(await alice.closed).toBe(4000);
    expect(await bob.closed).toBe(4000);
    expect(alice.frames.at(-1)).toEqual({ type: 'goodbye', reconnect_delay_ms: expect.any(Number) });
    expect(lab.gateway.ready()).toBe(false);
    await lab.open(lab.ticket(ALICE)).closed;
    expect(lab.gateway.sessions()).toBe(0);
  });

  it('whose owners cannot be reached opens no session, and says so in time', async () => {
    const hasty = await GatewayLab.start({ sessionSetupMs: 200 });
    hasty.reachable = false;
    expect(await hasty.open(hasty.ticket(ALICE)).closed).toBe(4102);
    hasty.reachable = true;
    hasty.owner.join(ALICE, GENERAL);
    // On a busy machine a try may take longer than it is given here.
    await until('a session', () => hasty.session(ALICE).catch(() => undefined));
    await hasty.stop();
  });
});
