/**
 * Revoked tokens: the sessions of a token end when it does.
 *
 * V1  A revocation's message ends the sessions at once. It may be lost, so its number is checked, and the tokens of all
 *     sessions are looked up again after a hole, after a reconnect, and every `tokenRecheckMs` as the rate allows.
 * V2  Look-ups are made one after another at a bounded rate; one that fails is left to the next round.
 */
import type { Clock } from '../platform/clock.ts';
import { limits } from '../platform/limits.ts';
import type { Logger } from '../platform/logger.ts';
import { DecodeError } from '../protocol/errors.ts';
import { decodeRevocation, type Revocation } from '../protocol/revocations.ts';

export interface TokenWatchOptions {
  /** May reject while the broker is away. */
  readonly isRevoked: (tokenHash: string) => Promise<boolean>;
  readonly tokenHashes: () => Iterable<string>;
  readonly onRevoked: (tokenHash: string) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class TokenWatch {
  readonly #options: TokenWatchOptions;
  readonly #stopped = new AbortController();
  #wake = new AbortController();
  #last: number | undefined;

  constructor(options: TokenWatchOptions) {
    this.#options = options;
    void this.#run(this.#stopped.signal);
  }

  /** The news as it came. */
  receive(bytes: Uint8Array): void {
    const revocation = this.#decode(bytes);
    if (revocation === undefined) return;
    const { number, tokenHash } = revocation;
    this.#options.onRevoked(tokenHash);
    const isNext = this.#last === undefined || number === this.#last + 1;
    this.#last = number > 0 ? number : undefined;
    if (!isNext || number === 0) this.recheck();
  }

  /** Something may have been missed. */
  recheck(): void {
    this.#wake.abort();
  }

  stop(): void {
    this.#stopped.abort();
    this.#wake.abort();
  }

  async #run(stopped: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!stopped.aborted) {
      await clock.sleep(limits.tokenRecheckMs, this.#wake.signal);
      this.#wake = new AbortController();
      await this.#round(stopped);
    }
  }

  async #round(stopped: AbortSignal): Promise<void> {
    const { clock, tokenHashes, onRevoked } = this.#options;
    for (const hash of [...tokenHashes()]) {
      if (stopped.aborted) return;
      if (await this.#isRevoked(hash)) onRevoked(hash);
      await clock.sleep(1_000 / limits.tokenRechecksPerSecondMax, stopped);
    }
  }

  async #isRevoked(hash: string): Promise<boolean> {
    try {
      return await this.#options.isRevoked(hash);
    } catch (error) {
      this.#options.logger.debug('token_recheck_failed', { error });
      return false;
    }
  }

  #decode(bytes: Uint8Array): Revocation | undefined {
    try {
      return decodeRevocation(bytes);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.#options.logger.warn('revocation_malformed', { error });
      this.recheck();
      return undefined;
    }
  }
}
