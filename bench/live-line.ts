/** What is shown of a stretch while it is measured: how far it is, what came, how fast now and how it went. */
import type { RatePoint } from './rate-meter.ts';
import { sparkline } from './sparkline.ts';
import { formatNumber } from './table.ts';

export type LiveState = {
  readonly subject: string;
  readonly noun: string;
  readonly count: number;
  /** How long it is planned to take. */
  readonly seconds: number;
};

const barsMax = 20;

export function liveLine({ subject, noun, count, seconds }: LiveState, points: readonly RatePoint[]): string {
  const now = points.at(-1) ?? { atSeconds: 0, perSecond: 0 };
  const rates = points.slice(-barsMax).map(({ perSecond }) => perSecond);
  const rate = formatNumber(Math.round(now.perSecond));
  const far = `${now.atSeconds.toFixed(1)} of ${seconds} s`;
  return `${subject}  ${far}  ${formatNumber(count)} ${noun}  ${rate}/s  ${sparkline(rates, Math.max(...rates))}`;
}
