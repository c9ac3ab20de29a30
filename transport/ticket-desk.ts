/**
 * Where tickets are shown: verifies them and remembers the used ones until they would have expired anyway.
 *
 * K1  A ticket is admitted once, for this gateway's life, before it expires.
 *     Time is this process's monotonic clock: one that could be set back would forget what was used.
 * K2  What is remembered is bounded; when full, tickets are refused rather than admitted twice.
 */
import type { Clock } from '../platform/clock.ts';
import type { Incarnation } from '../protocol/ids.ts';
import { verifyTicket } from '../protocol/tickets.ts';
import type { TicketCheck } from './websocket-listener.ts';

export interface TicketDeskOptions {
  readonly gateway: Incarnation;
  readonly secret: string;
  readonly clock: Clock;
  readonly ticketsUsedMax: number;
}

export class TicketDesk {
  readonly #options: TicketDeskOptions;
  /** Nonce to expiry, in the order of use: expiries are nearly in order too. */
  readonly #used = new Map<string, number>();

  constructor(options: TicketDeskOptions) {
    this.#options = options;
  }

  show(ticket: string): TicketCheck {
    const { clock, secret, gateway, ticketsUsedMax } = this.#options;
    const nowMs = clock.monotonicMs();
    const verdict = verifyTicket(secret, ticket, nowMs);
    if (verdict.kind !== 'valid' || verdict.claims.gateway !== gateway) return { kind: 'expired' };
    const { nonce, expiresAtMs } = verdict.claims;
    if (this.#used.has(nonce)) return { kind: 'expired' };
    this.#forgetExpired(nowMs);
    if (this.#used.size >= ticketsUsedMax) return { kind: 'refused' };
    this.#used.set(nonce, expiresAtMs);
    return { kind: 'admitted', claims: verdict.claims };
  }

  #forgetExpired(nowMs: number): void {
    for (const [nonce, expiresAtMs] of this.#used) {
      if (expiresAtMs > nowMs) return;
      this.#used.delete(nonce);
    }
  }
}
