/** The windows in which messages wait for each other, as the limits set them: said with every figure of throughput. */
import { limits } from '../platform/limits.ts';

/** How far a scenario measures: to the log's acknowledgement of an append or of a post, to gateways, to their sockets. */
export type Measured = 'appends' | 'posts' | 'batches' | 'deliveries';

const windows: readonly (readonly [Measured, string])[] = [
  ['appends', `${limits.sendSpacingMs} ms before each write to a connection of the broker`],
  ['posts', `${limits.commitWindowWideMs} ms before a channel's append`],
  ['batches', `${limits.batchWindowMs} ms before a worker's batches to gateways`],
  [
    'deliveries',
    `${limits.batchRestMsMax} ms at a gateway that writes for more than ${limits.batchShareMaxPercent} % of its time`,
  ],
];

export function windowNote(upTo: Measured): string {
  const last = windows.findIndex(([measured]) => measured === upTo);
  const texts = windows.slice(0, last + 1).map(([, text]) => text);
  return `windows in force: under load belfry's messages wait for each other at most ${texts.join(', ')}`;
}
