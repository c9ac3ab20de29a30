/**
 * A load process of the posts scenario: its share of the connections, over channels that no other process posts to; so
 * each process can check its own channels alone.
 */
import { systemClock } from '../platform/clock.ts';
import { ClosedLoopPoster, type ClosedLoopOptions, type PostsReport } from './closed-loop-poster.ts';
import { serveLoad } from './load-server.ts';

export type PostsLoad = {
  readonly open: { readonly params: ClosedLoopOptions; readonly result: null };
  /** Posts for so long, or `once` to each channel; resolves when the last is answered. */
  readonly post: {
    readonly params: { readonly seconds: number; readonly once: boolean };
    readonly result: PostsReport;
  };
  readonly posted: { readonly params: null; readonly result: number };
  /** Every acknowledged post of the channel so far: [seq, id], by seq. */
  readonly ledger: {
    readonly params: { readonly channel: string };
    readonly result: readonly (readonly [number, number])[];
  };
};

let poster: ClosedLoopPoster | undefined;

serveLoad<PostsLoad>({
  open(params) {
    poster = new ClosedLoopPoster(params, systemClock);
    return null;
  },
  async post({ seconds, once }) {
    if (poster === undefined) throw new Error('posts-load: not open');
    return poster.run(seconds, once);
  },
  posted: () => poster?.posts ?? 0,
  ledger: ({ channel }) => poster?.ledger(channel) ?? [],
});
