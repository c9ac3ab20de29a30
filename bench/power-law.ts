/**
 * Power laws by rank, as channels of a workspace follow them: the k-th has the first one's share divided by k to the
 * exponent. Zero makes all alike; around one is what cities, words and channels do.
 */
export function powerLawWeights(count: number, exponent: number): number[] {
  return Array.from({ length: count }, (_, at) => (at + 1) ** -exponent);
}

/** Whole sizes that fall from `largest`, and never below `smallest` (nor above `largest`). */
export function powerLawSizes(count: number, exponent: number, largest: number, smallest: number): number[] {
  const least = Math.min(smallest, largest);
  return powerLawWeights(count, exponent).map((weight) => Math.max(least, Math.round(largest * weight)));
}
