import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../../platform/clock.ts';
import type { Incarnation, TeamId, UserId } from '../../../protocol/ids.ts';
import { makeTicket } from '../../../protocol/tickets.ts';
import { TicketDesk } from '../../../transport/ticket-desk.ts';

const gateway = 'gateway-1-LIFE' as Incarnation;

function lab(ticketsUsedMax = 10) {
  const clock = new ManualClock(0);
  const desk = new TicketDesk({ gateway, secret: 's', clock, ticketsUsedMax });
  const ticket = (nonce: string, lifeMs = 30_000) =>
    makeTicket('s', {
      ...{ gateway, user: 'U0ALICE' as UserId, team: 'T0TEAM' as TeamId, name: 'a', tokenHash: 'h', nonce },
      ...{ unlimited: false, resume: false, batchPresenceAware: false, expiresAtMs: clock.monotonicMs() + lifeMs },
    });
  return { clock, desk, ticket };
}

describe('the ticket desk', () => {
  it('admits a ticket once', () => {
    const { desk, ticket } = lab();
    const text = ticket('a');
    expect([desk.show(text).kind, desk.show(text).kind, desk.show(ticket('b')).kind]).toEqual([
      'admitted',
      'expired',
      'admitted',
    ]);
  });

  it('admits by a clock that does not step: neither late because the time was set forward, nor twice because it was set back', () => {
    const { clock, desk, ticket } = lab();
    const [used, waiting] = [ticket('a'), ticket('b')];
    expect(desk.show(used).kind).toBe('admitted');
    clock.stepWall(3_600_000);
    expect(desk.show(waiting).kind).toBe('admitted');
    clock.stepWall(-3_600_000);
    expect(desk.show(used).kind).toBe('expired');
  });

  it('refuses rather than forget a used ticket while it could still be shown', () => {
    const { clock, desk, ticket } = lab(2);
    const first = ticket('a');
    expect([first, ticket('b'), ticket('c')].map((text) => desk.show(text).kind)).toEqual([
      'admitted',
      'admitted',
      'refused',
    ]);
    clock.advance(30_000);
    expect([desk.show(first).kind, desk.show(ticket('d')).kind]).toEqual(['expired', 'admitted']);
  });
});
