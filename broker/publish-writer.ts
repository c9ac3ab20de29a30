/**
 * What one turn of the event loop publishes, written as the bytes of NATS's client protocol while it is published: the
 * library makes five buffers of each message and joins them again, which costs more than all else on our side.
 *
 * P1  `take` gives everything written since the last `take`, in order; those bytes are never written again.
 * P2  Subjects hold no white space and no non-ASCII characters: broker/subjects.ts builds them from checked ids, and a
 *     reply subject that the server delivered can hold none.
 */

/** Room for the fixed words and both lengths of a control line. */
const CONTROL_BYTES_MAX = 48;
const CR = 0x0d;
const LF = 0x0a;

export class PublishWriter {
  readonly #slabBytes: number;
  #slab: Buffer;
  #start = 0;
  #end = 0;

  /** A slab is taken anew for every `slabBytes` that were published; a larger message gets one of its own. */
  constructor(slabBytes: number) {
    this.#slabBytes = slabBytes;
    this.#slab = Buffer.allocUnsafe(slabBytes);
  }

  get bytes(): number {
    return this.#end - this.#start;
  }

  /** `headers`: the whole header block, empty line included. `data` is copied before this returns. */
  publish(subject: string, data: Uint8Array, reply: string | undefined, headers: string | undefined): void {
    const headersLength = headers?.length ?? 0;
    this.#makeRoom(CONTROL_BYTES_MAX + subject.length + (reply?.length ?? 0) + headersLength + data.length);
    const target = reply === undefined ? subject : `${subject} ${reply}`;
    if (headers === undefined) this.#text(`PUB ${target} ${data.length}\r\n`);
    else this.#text(`HPUB ${target} ${headersLength} ${headersLength + data.length}\r\n${headers}`);
    this.#slab.set(data, this.#end);
    this.#end += data.length;
    this.#slab[this.#end] = CR;
    this.#slab[this.#end + 1] = LF;
    this.#end += 2;
  }

  take(): Uint8Array {
    const taken = this.#slab.subarray(this.#start, this.#end);
    this.#start = this.#end;
    return taken;
  }

  #text(text: string): void {
    this.#end += this.#slab.write(text, this.#end, 'latin1');
  }

  /** What is written but not taken moves along. */
  #makeRoom(bytes: number): void {
    if (this.#end + bytes <= this.#slab.length) return;
    const pending = this.#slab.subarray(this.#start, this.#end);
    this.#slab = Buffer.allocUnsafe(Math.max(this.#slabBytes, pending.length + bytes));
    this.#slab.set(pending);
    this.#start = 0;
    this.#end = pending.length;
  }
}
