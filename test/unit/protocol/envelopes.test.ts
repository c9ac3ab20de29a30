import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encode } from '../../../protocol/codec.ts';
import { decodeNodeEntry } from '../../../protocol/cluster.ts';
import {
  decodeClaims,
  decodeControl,
  encodeClaims,
  encodeControl,
  type ControlMessage,
} from '../../../protocol/control.ts';
import type { Envelope, GatewayRef, Reply } from '../../../protocol/commands.ts';
import {
  decodeEnvelope,
  decodeBundle,
  decodeReplies,
  encodeEnvelope,
  encodeBundle,
  encodeReplies,
  ENVELOPE_BYTES_MAX,
} from '../../../protocol/envelopes.ts';
import { DecodeError, rejected, retryable, unknownFate } from '../../../protocol/errors.ts';
import type { ChannelId, Incarnation, MutationId, TeamId, UserId } from '../../../protocol/ids.ts';
import { decodeTable } from '../../../protocol/table-codec.ts';

const user = 'U0000000001' as UserId;
const channel = 'C0000000001' as ChannelId;
const mutation = 'm-1' as MutationId;
const gateway: GatewayRef = { region: 'eu', incarnation: 'g-1' as Incarnation };
const meta = {
  id: channel,
  team: 'T0000000001' as TeamId,
  kind: 'public',
  name: 'general',
  creator: user,
  created: 1,
  isGeneral: true,
} as const;

const streamCommands = [
  { kind: 'open', meta, members: [user], mutation },
  { kind: 'post', author: { user }, draft: { text: 'hi', blocks: [{ type: 'x' }] }, mutation },
  { kind: 'join', user, mutation },
  { kind: 'join', user, mutation, full: true },
  { kind: 'leave', user, mutation },
  { kind: 'invite', by: user, users: [user], mutation, force: false },
  { kind: 'invite', by: user, users: [user], mutation, force: true, full: [user] },
  { kind: 'kick', by: user, user, mutation },
  { kind: 'archive', by: user, archived: true, mutation },
  { kind: 'info', viewer: user },
  { kind: 'members', viewer: user, limit: 10 },
  { kind: 'history', viewer: user, limit: 10, inclusive: false, latest: 12 },
  { kind: 'typing', user },
  { kind: 'note-membership', meta, channelSeq: 3, member: true },
  { kind: 'memberships' },
  { kind: 'memberships', after: channel, limit: 0 },
  { kind: 'set-presence', presence: 'auto', mutation },
  { kind: 'get-presence' },
  { kind: 'notice', frame: { type: 'team_join' }, mutation, by: user },
] as const;
const slotCommands = [
  { kind: 'cursors', gateway, entries: [[channel, 3]] },
  { kind: 'forget', gateway, streams: [channel] },
  { kind: 'events', entries: [[channel, 1, 2]] },
  { kind: 'admit', gateway, entries: [[user, channel]] },
  { kind: 'sessions', gateway, at: 1, entries: [[user, 2, false]] },
  { kind: 'watch-presence', gateway, users: [user] },
  { kind: 'unwatch-presence', gateway, users: [user] },
  { kind: 'query-presence', users: [user] },
] as const;
const envelopes: Envelope[] = [
  ...streamCommands.map((command, i) => ({ to: 'stream', requestId: i, stream: channel, command }) as Envelope),
  ...slotCommands.map((command, i) => ({ to: 'slot', requestId: i, slot: i, command, via: gateway }) as Envelope),
];

describe('an envelope', () => {
  it.each(envelopes.map((envelope) => [envelope.command.kind, envelope] as const))('carries %s', (_, envelope) => {
    expect(decodeEnvelope(encodeEnvelope(envelope))).toEqual(envelope);
  });

  it.each<[string, unknown]>([
    ['another format', [2, 1, channel, { kind: 'memberships' }, null, null]],
    ['no request id', [1, -1, channel, { kind: 'memberships' }, null, null]],
    ['no stream', [1, 1, 'nonsense', { kind: 'memberships' }, null, null]],
    ['an unknown command', [1, 1, channel, { kind: 'explode' }, null, null]],
    ['a name of the language', [1, 1, channel, { kind: 'constructor' }, null, null]],
    ['a slot command for a stream', [1, 1, channel, { kind: 'query-presence', users: [] }, null, null]],
    ['half a gateway', [1, 1, channel, { kind: 'memberships' }, 'eu', null]],
    [
      'text that is none',
      [1, 1, channel, { kind: 'post', author: { user }, draft: { text: 1 }, mutation }, null, null],
    ],
    ['members that are none', [1, 1, channel, { kind: 'open', meta, members: ['x'], mutation }, null, null]],
    ['no list at all', { kind: 'post' }],
  ])('with %s is refused', (_, value) => {
    expect(() => decodeEnvelope(encode(value))).toThrow(DecodeError);
  });

  it('that is too long is refused before it is parsed', () => {
    expect(() => decodeEnvelope(new Uint8Array(ENVELOPE_BYTES_MAX + 1))).toThrow(DecodeError);
  });

  it('of any bytes is one, or a DecodeError', () => {
    const valid = envelopes.map((envelope) => encodeEnvelope(envelope));
    fc.assert(
      fc.property(fc.nat(valid.length - 1), fc.nat(10_000), fc.integer({ min: 0, max: 255 }), (which, at, byte) => {
        const bytes = valid[which]!.slice();
        bytes[at % bytes.length] = byte;
        for (const decode of [
          decodeEnvelope,
          decodeBundle,
          decodeReplies,
          decodeControl,
          decodeClaims,
          decodeTable,
          decodeNodeEntry,
        ]) {
          try {
            decode(bytes);
          } catch (error) {
            expect(error).toBeInstanceOf(DecodeError);
          }
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('a bundle', () => {
  const command = fc.record({ slot: fc.nat(4095), id: fc.nat(), bytes: fc.uint8Array({ maxLength: 300 }) });

  it('carries its commands in their order', () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 40 }), (commands) => {
        const read = decodeBundle(encodeBundle(commands));
        expect(read.map(({ bytes, ...rest }) => ({ ...rest, bytes: Uint8Array.from(bytes) }))).toEqual(commands);
      }),
    );
  });

  it.each([[[1, 7]], [[1, 7, 1, 'text']], [[1, -1, 1, new Uint8Array(1)]], [[1, 7, 'x', new Uint8Array(1)]], [[2]]])(
    'that is malformed is refused',
    (value) => {
      expect(() => decodeBundle(encode(value))).toThrow(DecodeError);
    },
  );
});

describe('replies', () => {
  it('come as they were sent together', () => {
    const failure = fc.constantFrom(rejected('not_in_channel'), retryable('busy'), unknownFate('append'));
    const reply: fc.Arbitrary<Reply> = fc.oneof(
      fc.record({ requestId: fc.nat(), ok: fc.constant(true as const), result: fc.record({ seq: fc.nat() }) }),
      fc.record({ requestId: fc.nat(), ok: fc.constant(false as const), failure }),
    );
    fc.assert(
      fc.property(fc.array(reply, { maxLength: 40 }), (sent) => {
        expect(decodeReplies(encodeReplies(sent))).toEqual(sent);
      }),
    );
  });

  it.each([[[1, 1, 0, { kind: 'retryable' }]], [[1, 1, 2, {}]], [[1, 'x', 1, {}]], [[1, 1, 0, { kind: 'toString' }]]])(
    'that are malformed are refused',
    (value) => {
      expect(() => decodeReplies(encode(value))).toThrow(DecodeError);
    },
  );
});

describe('a control message', () => {
  const from = 'w-1' as Incarnation;
  const claims = [[1, 2]] as const;
  it.each<ControlMessage>([
    { kind: 'ping' },
    { kind: 'drain' },
    { kind: 'prepared', from, claims },
    { kind: 'release', from, claims },
    { kind: 'opened', from, claims },
    { kind: 'status', claims },
    { kind: 'let-go', claims },
    { kind: 'raise', from, claims },
  ])('survives its wire form', (message) => {
    expect(decodeControl(encodeControl(message))).toEqual(message);
  });

  it('answers with claims, and refuses what is malformed', () => {
    expect(decodeClaims(encodeClaims(claims))).toEqual(claims);
    expect(() => decodeControl(encode([1, 'release', null, claims]))).toThrow(DecodeError);
    expect(() => decodeControl(encode([1, 'explode', from, claims]))).toThrow(DecodeError);
    expect(() => decodeClaims(encode([1, [[1]]]))).toThrow(DecodeError);
  });
});
