/**
 * The text of a load message: when it was due, who it is, and filler up to the wanted size. Receivers need nothing else
 * to tell its latency, and whether each came once.
 */
const dueDigits = 16;
const idDigits = 9;

/** The least that a text may have: what it says, and its end. */
export const textBytesMin = dueDigits + 1 + idDigits + 1 + 1;

/** Letters and spaces, so that it is as long in a form, in JSON and on the wire. */
const filler = 'the quick brown fox jumps over the lazy dog and '.repeat(1_000);

export function makeText(id: number, dueUs: number, bytes: number): string {
  const head = `${String(Math.round(dueUs)).padStart(dueDigits, '0')} ${String(id).padStart(idDigits, '0')} `;
  return head + filler.slice(0, Math.max(0, bytes - head.length - 1)) + (bytes > head.length ? '.' : '');
}

/** Undefined for a text that is not ours. */
export function parseText(text: unknown): { readonly id: number; readonly dueUs: number } | undefined {
  const match = typeof text === 'string' ? /^(\d{16}) (\d{9}) /.exec(text) : null;
  return match === null ? undefined : { dueUs: Number(match[1]), id: Number(match[2]) };
}
