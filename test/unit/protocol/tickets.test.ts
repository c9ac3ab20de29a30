import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseAppId, parseBotId, parseIncarnation, parseTeamId, parseUserId } from '../../../protocol/ids.ts';
import { makeTicket, verifyTicket, type TicketClaims } from '../../../protocol/tickets.ts';

const claims: TicketClaims = {
  gateway: parseIncarnation('gateway-1-ABCDEFGHIJ')!,
  user: parseUserId('U0ALICE')!,
  team: parseTeamId('T0TEAM')!,
  name: 'alice',
  tokenHash: 'a'.repeat(43),
  unlimited: false,
  resume: true,
  batchPresenceAware: false,
  expiresAtMs: 1_000,
  nonce: 'n0nce',
};
const bot = { id: parseBotId('B0BOT')!, app: parseAppId('A0APP')!, name: 'bot' };

describe('a ticket', () => {
  it('carries its claims to whoever has the secret', () => {
    for (const given of [claims, { ...claims, bot, unlimited: true, resume: false, batchPresenceAware: true }]) {
      const text = makeTicket('secret', given);
      expect(text).toMatch(/^[\w-]+$/);
      expect(text.length).toBeLessThan(400);
      expect(verifyTicket('secret', text, 999)).toEqual({ kind: 'valid', claims: given });
    }
  });

  it('expires', () => {
    expect(verifyTicket('secret', makeTicket('secret', claims), 1_000)).toEqual({ kind: 'expired' });
  });

  it('is invalid under another secret', () => {
    expect(verifyTicket('other', makeTicket('secret', claims), 0)).toEqual({ kind: 'invalid' });
  });

  it('is invalid when any byte of it changed', () => {
    const bytes = Buffer.from(makeTicket('secret', claims), 'base64url');
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const changed = Buffer.from(bytes);
        changed[at] = changed[at]! ^ flip;
        return verifyTicket('secret', changed.toString('base64url'), 0).kind === 'invalid';
      }),
    );
  });

  it('never throws on anything else', () => {
    fc.assert(fc.property(fc.string({ maxLength: 5_000 }), (text) => verifyTicket('s', text, 0).kind === 'invalid'));
  });
});
