/**
 * Recognises a read of one socket that has the same bytes as the one before it on another: who fans out under load writes
 * the same to each of its sockets. What is in it is known then, and need not be cut and looked up message by message.
 *
 * Y1  All bytes are compared; the same messages come out as if they had been cut.
 * Y2  Only reads of messages and nothing else are remembered: what stands before the first, behind the last and between
 *     two is one frame's head and tail, as every message has.
 * Y3  Small reads are not worth it, and those beyond what is kept are cut as ever.
 */

const bytesMin = 1_024;
const bytesMax = 64 * 1_024;

export class ReadEcho<Message> {
  readonly #bytes = Buffer.alloc(bytesMax);
  /** Of the remembered read; 0: there is none. */
  #length = 0;
  #isOpen = false;
  #messages: Message[] = [];
  #head = 0;
  #between: number | undefined;
  #end = 0;

  /** A read that begins with a frame: its messages if it is an echo, else undefined, and it is remembered from here on. */
  begin(buffer: Buffer, length: number): readonly Message[] | undefined {
    if (this.#isEcho(buffer, length)) return this.#messages;
    this.#forget();
    if (length < bytesMin || length > bytesMax) return undefined;
    buffer.copy(this.#bytes, 0, 0, length);
    this.#length = length;
    this.#isOpen = true;
    return undefined;
  }

  /** What is noted from here on is not of the read that began last. */
  end(): void {
    this.#isOpen = false;
  }

  /** One message of the read that began last, in its bytes from `start` to `end`. */
  note(message: Message, start: number, end: number): void {
    if (!this.#isOpen) return;
    if (this.#messages.length === 0) this.#head = start;
    else if (start - this.#end !== (this.#between ??= start - this.#end)) return this.#forget();
    this.#end = end;
    this.#messages.push(message);
  }

  /** The read that began last holds something else too (Y2). */
  spoil(): void {
    if (this.#isOpen) this.#forget();
  }

  #forget(): void {
    this.#length = 0;
    this.#isOpen = false;
    this.#messages = [];
    this.#between = undefined;
  }

  #isEcho(buffer: Buffer, length: number): boolean {
    if (length !== this.#length || this.#between !== this.#head + length - this.#end) return false;
    return this.#bytes.compare(buffer, 0, length, 0, length) === 0;
  }
}
