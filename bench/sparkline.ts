/** A row of bars for a terminal: how something went over time, one character for each moment. */
const bars = ' ▁▂▃▄▅▆▇█';

/** Zero is a blank, `full` (or more) the highest bar; whatever is above zero shows. */
export function sparkline(values: readonly number[], full: number): string {
  const highest = bars.length - 1;
  return values
    .map((value) => {
      if (value <= 0 || full <= 0) return bars[0];
      return bars[Math.min(highest, Math.max(1, Math.round((value / full) * highest)))];
    })
    .join('');
}
