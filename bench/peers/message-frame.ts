/** The messages of the peers: what a frame of ours holds, with a text and a seq of their own, so that the bytes are the same. */

export type PeerMessage = Readonly<Record<string, unknown>>;

export class MessageFrame {
  readonly #rest: PeerMessage;

  /** `frame`: a message frame of ours, whose seq is its last field. */
  constructor(frame: string) {
    const { seq: _, ...rest } = JSON.parse(frame) as Record<string, unknown>;
    this.#rest = rest;
  }

  make(seq: number, text: string): PeerMessage {
    return { ...this.#rest, text, seq };
  }
}
