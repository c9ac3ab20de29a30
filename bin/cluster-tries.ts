/**
 * Starting several servers that have to find together: what does not is thrown away and started anew, a few times.
 *
 * Seen with nats-server 2.10.27 in 1 of 210 starts of three beside two busy loops: one of them follows and grants its
 * vote, but nothing that its Raft says leaves it. The leader never learns of it, so nothing with three replicas can be
 * placed (JetStream error 10005), for as long as that process lives. A port that was free may be taken meanwhile, too.
 */
export type ClusterTries<T> = {
  /** 1: as it comes. */
  readonly tries: number;
  /** Aborted: nobody wants it any more, and failures are its consequence. */
  readonly over: AbortSignal;
  readonly start: () => Promise<T>;
  /** Between two tries: ends what was started, for the reason given. */
  readonly discard: (why: string) => Promise<void>;
};

/** @throws what the last try threw. */
export async function clusterTries<T>({ tries, over, start, discard }: ClusterTries<T>): Promise<T> {
  for (let left = tries - 1; ; left -= 1) {
    try {
      return await start();
    } catch (error) {
      if (left <= 0 || over.aborted) throw error;
      await discard(error instanceof Error ? error.message : String(error));
    }
  }
}
