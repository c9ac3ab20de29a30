/**
 * A stream's id in three words: base 37, six characters a word, 0 behind the last one. Ids of up to 18 characters fit,
 * which are all that Belfry makes (ids.ts); longer ones are legal and have no key.
 *
 * SK1  Different ids have different keys, and the first word of a key is never 0.
 */
import type { StreamId } from '../protocol/ids.ts';

export const KEY_WORDS = 3;
const CHARS_PER_WORD = 6;
const CHARS_MAX = KEY_WORDS * CHARS_PER_WORD;
const BASE = 37;
const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ';
const CODE_0 = 48;
const CODE_A = 65;

export function hasKey(stream: StreamId): boolean {
  return stream.length <= CHARS_MAX;
}

/** Word `index` of the key of a stream that has one. */
export function keyWord(stream: StreamId, index: number): number {
  let word = 0;
  for (let at = index * CHARS_PER_WORD; at < (index + 1) * CHARS_PER_WORD; at++) {
    word = word * BASE + (at < stream.length ? digitOf(stream.charCodeAt(at)) : 0);
  }
  return word;
}

/** The id whose key it is. */
export function streamOf(word0: number, word1: number, word2: number): StreamId {
  return (charsOf(word0) + charsOf(word1) + charsOf(word2)) as StreamId;
}

function digitOf(code: number): number {
  return code < CODE_A ? code - CODE_0 + 1 : code - CODE_A + 11;
}

function charsOf(word: number): string {
  let chars = '';
  for (let rest = word, i = 0; i < CHARS_PER_WORD; i++) {
    const digit = rest % BASE;
    if (digit > 0) chars = DIGITS.charAt(digit - 1) + chars;
    rest = Math.floor(rest / BASE);
  }
  return chars;
}
