/**
 * A bounded first-in first-out queue in front of an actor. Beyond its limits `push` says no, and the sender is told to
 * try again (G8).
 */
export interface MailboxLimits {
  readonly messagesMax: number;
  readonly bytesMax: number;
}

export class Mailbox<M> {
  readonly #limits: MailboxLimits;
  #items: { readonly message: M; readonly bytes: number }[] = [];
  #next = 0;
  #bytes = 0;

  constructor(limits: MailboxLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#items.length - this.#next;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** False: full; nothing was added. */
  push(message: M, bytes: number): boolean {
    if (this.size >= this.#limits.messagesMax || this.#bytes + bytes > this.#limits.bytesMax) return false;
    this.#items.push({ message, bytes });
    this.#bytes += bytes;
    return true;
  }

  /** Bytes of the message that `shift` gives next; 0 when empty. */
  get nextBytes(): number {
    return this.#items[this.#next]?.bytes ?? 0;
  }

  shift(): M | undefined {
    const item = this.#items[this.#next];
    if (item === undefined) return undefined;
    this.#next += 1;
    this.#bytes -= item.bytes;
    if (this.#next === this.#items.length) {
      this.#items = [];
      this.#next = 0;
    }
    return item.message;
  }

  /** Everything that waits, in order; empty afterwards. */
  drain(): M[] {
    const rest = this.#items.slice(this.#next).map((item) => item.message);
    this.#items = [];
    this.#next = 0;
    this.#bytes = 0;
    return rest;
  }
}
