/** Posts over a client's RTM socket, one after another to one channel, and records them. */
import { setTimeout as wait } from 'node:timers/promises';
import type { PostRecord } from '../support/history-checks.ts';
import type { Recorder } from './recorder.ts';
import type { RtmClient } from './rtm-client.ts';

export interface RtmPosterOptions {
  readonly name: string;
  readonly channel: string;
  readonly periodMs: number;
  readonly recorder: Recorder;
}

export class RtmPoster {
  readonly #client: RtmClient;
  readonly #options: RtmPosterOptions;
  readonly #ended: Promise<void>;
  #stopping = false;

  constructor(client: RtmClient, options: RtmPosterOptions) {
    this.#client = client;
    this.#options = options;
    this.#ended = this.#run();
  }

  /** Resolves when the post under way is acknowledged. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#ended;
  }

  async #run(): Promise<void> {
    const { name, channel, periodMs, recorder } = this.#options;
    for (let number = 0; !this.#stopping; number += 1) {
      const sentMs = recorder.now();
      const text = `${name}/${number}`;
      const post = { channel, sender: name, number, text, sentMs, acked: undefined as PostRecord['acked'] };
      recorder.posts.push(post);
      post.acked = await this.#client.post(channel, text);
      const restMs = sentMs + periodMs - recorder.now();
      if (restMs > 0) await wait(restMs);
    }
  }
}
