import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { errorFrame, parseClientFrame, pongFrame, postAckFrame } from '../../../protocol/client-frames.ts';

const parse = (value: unknown) =>
  parseClientFrame(Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)));
const json = (bytes: Buffer) => JSON.parse(bytes.toString()) as unknown;

describe('a client frame', () => {
  it('is a message with text, thread and client_msg_id', () => {
    const frame = {
      id: 7,
      type: 'message',
      channel: 'C0GENERAL',
      text: 'hi',
      thread_ts: '12.000003',
      client_msg_id: 'm',
    };
    expect(parse(frame)).toEqual({
      kind: 'message',
      id: 7,
      channel: 'C0GENERAL',
      text: 'hi',
      threadTs: 12_000_003,
      clientMsgId: 'm',
    });
  });

  it('may lack an id, or count from 0', () => {
    expect(parse({ type: 'message', channel: 'C0GENERAL', text: 'x' })).toMatchObject({
      kind: 'message',
      id: undefined,
    });
    expect(parse({ id: 0, type: 'ping' })).toEqual({ kind: 'ping', id: 0, extras: [] });
    expect(parse({ id: '5', type: 'ping' })).toEqual({ kind: 'ping', id: undefined, extras: [] });
  });

  it.each([
    [{ id: 1, type: 'message', channel: 'C0GENERAL' }, 'message text is missing'],
    [{ id: 1, type: 'message', channel: 'C0GENERAL', text: '' }, 'message text is missing'],
    [{ id: 1, type: 'message', channel: 'C0GENERAL', text: 'x'.repeat(40_001) }, 'msg_too_long'],
    [{ id: 1, type: 'message', channel: 'general', text: 'x' }, 'channel_not_found'],
    [{ id: 1, type: 'message', channel: 'C0GENERAL', text: 'x', thread_ts: 'abc' }, 'bad_timestamp'],
    [
      { id: 1, type: 'message', channel: 'C0GENERAL', text: 'x', client_msg_id: 'm'.repeat(129) },
      'invalid client_msg_id',
    ],
    [{ id: 1, type: 'presence_query', ids: Array.from({ length: 501 }, () => 'U0ALICE') }, 'too_many_users'],
    [{ id: 1, type: 'presence_sub' }, 'ids is missing'],
    [{ id: 1, type: 'resume' }, 'cursors is missing'],
    [{ id: 1, type: 'resume', cursors: { C0GENERAL: -1 } }, 'invalid cursor'],
    [{ id: 1, type: 'resume', cursors: { 'C.*': 1 } }, 'invalid cursor'],
    [{ id: 1, type: 'dance' }, 'unknown type'],
    [{ id: 1 }, 'type is missing'],
  ])('is answered with an error when it is %j', (frame, message) => {
    expect(parse(frame)).toEqual({ kind: 'bad', id: 1, code: 2, message });
  });

  it.each(['heartbeat', '', '[]', '"x"', 'null', '{', '[['.repeat(8_000)])(
    'is bad, not fatal, when it is %s',
    (text) => {
      expect(parse(text)).toMatchObject({ kind: 'bad', id: undefined });
    },
  );

  it('gives a ping its scalars back and drops the rest', () => {
    const frame = parse('{"id":3,"type":"ping","timestamp":12.5,"a":{"b":1},"__proto__":"x","reply_to":9,"ok":true}');
    expect(frame.kind).toBe('ping');
    if (frame.kind !== 'ping') return;
    const pong = pongFrame(frame.id, frame.extras).toString();
    expect(pong).toBe('{"timestamp":12.5,"__proto__":"x","ok":true,"type":"pong","reply_to":3}');
  });

  it('names cursors to resume from; more frames follow only when it says so', () => {
    expect(parse({ id: 1, type: 'resume', cursors: { C0GENERAL: 4, U0ALICE: 0 }, last: false })).toEqual({
      kind: 'resume',
      id: 1,
      cursors: [
        ['C0GENERAL', 4],
        ['U0ALICE', 0],
      ],
      last: false,
    });
    expect(parse({ type: 'resume', cursors: {} })).toMatchObject({ kind: 'resume', cursors: [], last: true });
  });

  it('asks for the presence of users, each once', () => {
    const ids = ['U0ALICE', 'U0BOB', 'U0ALICE', 'nobody', 4];
    expect(parse({ id: 1, type: 'presence_sub', ids })).toEqual({
      kind: 'presence-sub',
      id: 1,
      users: ['U0ALICE', 'U0BOB'],
    });
  });

  it('never throws, whatever the bytes', () => {
    const types = fc.constantFrom('message', 'ping', 'typing', 'presence_sub', 'presence_query', 'resume', 'x');
    const object = fc.record({ type: types, id: fc.anything(), channel: fc.anything(), ids: fc.anything() });
    const shaped = fc.tuple(object, fc.object()).map(([frame, more]) => JSON.stringify({ ...more, ...frame }, bigints));
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.json().map((text) => Buffer.from(text)),
      shaped.map((text) => Buffer.from(text)),
    );
    fc.assert(
      fc.property(bytes, (given) => {
        const frame = parseClientFrame(given);
        if (frame.kind === 'ping') pongFrame(frame.id, frame.extras);
      }),
      { numRuns: 2_000 },
    );
  });
});

const bigints = (_key: string, value: unknown) => (typeof value === 'bigint' ? String(value) : value);

describe('an answer', () => {
  it('names the frame it replies to, and never has a type when it acknowledges', () => {
    expect(json(postAckFrame(4, '1.000001', 'hi', 9))).toEqual({
      ok: true,
      reply_to: 4,
      ts: '1.000001',
      text: 'hi',
      seq: 9,
    });
    expect(json(errorFrame(4, 2, 'no'))).toEqual({ ok: false, reply_to: 4, error: { code: 2, msg: 'no' } });
    expect(json(errorFrame(undefined, 2, 'no'))).toEqual({ type: 'error', error: { code: 2, msg: 'no' } });
  });
});
