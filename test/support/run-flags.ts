/** Values of the flags of the long runs (chaos, simulate), checked: what is wrong throws one line that names the flag. */

export function wholeNumber(flag: string, text: string, least: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value >= least) return value;
  throw new Error(`--${flag} ${text}: a whole number from ${least} up is expected`);
}

export function oneOf<T extends string>(flag: string, text: string, known: readonly T[]): T {
  const found = known.find((one) => one === text);
  if (found === undefined) throw new Error(`--${flag} ${text}: one of ${known.join(', ')} is expected`);
  return found;
}
