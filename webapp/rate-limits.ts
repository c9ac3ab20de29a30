/**
 * Rate limits: token buckets per token and method, in this process only: N webapps let N times as much through.
 *
 * L1  `default` protects the cluster from a client that runs wild and is far above what people do; `slack` has Slack's
 *     tiers per minute; `off` limits nothing. A token marked unlimited is never limited.
 * L2  The number of buckets is bounded; a forgotten bucket is a full one.
 */
import { LRUCache } from 'lru-cache';
import { limits } from '../platform/limits.ts';

export type RateLimitMode = 'default' | 'slack' | 'off';
/** Slack's tiers; `post` is chat.postMessage, `special` what has no published figure. */
export type Tier = 1 | 2 | 3 | 4 | 'special' | 'post';

type Rule = { readonly perSecond: number; readonly burst: number };
type Bucket = { level: number; atMs: number };

const perMinute = (count: number, burst = count): Rule => ({ perSecond: count / 60, burst });

const RULES: Record<Exclude<RateLimitMode, 'off'>, Record<Tier, Rule>> = {
  default: {
    1: { perSecond: 50, burst: 2_000 },
    2: { perSecond: 50, burst: 2_000 },
    3: { perSecond: 200, burst: 5_000 },
    4: { perSecond: 500, burst: 5_000 },
    special: { perSecond: 500, burst: 5_000 },
    post: { perSecond: 1_000, burst: 20_000 },
  },
  slack: {
    1: perMinute(1, 5),
    2: perMinute(20),
    3: perMinute(50),
    4: perMinute(100),
    special: perMinute(600),
    // One a second and channel, with short bursts.
    post: { perSecond: 1, burst: 10 },
  },
};

export class RateLimiter {
  readonly #rules: Record<Tier, Rule> | undefined;
  /** True when posts are limited per channel rather than as a whole. */
  readonly postsPerChannel: boolean;
  readonly #buckets: LRUCache<string, Bucket>;

  constructor(mode: RateLimitMode, bucketsMax: number = limits.rateBucketsMax) {
    this.#rules = mode === 'off' ? undefined : RULES[mode];
    this.postsPerChannel = mode === 'slack';
    this.#buckets = new LRUCache({ max: bucketsMax });
  }

  /** 0: go on. Else the whole seconds after which a request of this key has a chance. `nowMs` is monotonic. */
  take(key: string, tier: Tier, nowMs: number): number {
    if (this.#rules === undefined) return 0;
    const rule = this.#rules[tier];
    const bucket = this.#bucketOf(key, rule, nowMs);
    if (bucket.level >= 1) {
      bucket.level -= 1;
      return 0;
    }
    return Math.max(1, Math.ceil((1 - bucket.level) / rule.perSecond));
  }

  #bucketOf(key: string, rule: Rule, nowMs: number): Bucket {
    const known = this.#buckets.get(key);
    if (known !== undefined) {
      known.level = Math.min(rule.burst, known.level + ((nowMs - known.atMs) / 1_000) * rule.perSecond);
      known.atMs = nowMs;
      return known;
    }
    const full = { level: rule.burst, atMs: nowMs };
    this.#buckets.set(key, full);
    return full;
  }
}
