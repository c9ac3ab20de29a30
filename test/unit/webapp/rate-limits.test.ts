import { describe, expect, it } from 'vitest';
import { RateLimiter } from '../../../webapp/rate-limits.ts';
import { CHANNEL, makeWorld } from '../../support/webapp-world.ts';

function takeUntilRefused(limiter: RateLimiter, key: string, nowMs: number): number {
  for (let taken = 0; taken < 100_000; taken++) if (limiter.take(key, 2, nowMs) > 0) return taken;
  return Infinity;
}

describe('RateLimiter', () => {
  it('lets a burst through, then as much as the tier says', () => {
    const limiter = new RateLimiter('slack');
    expect(takeUntilRefused(limiter, 'a', 0)).toBe(20);
    expect(limiter.take('a', 2, 0)).toBe(3);
    expect(limiter.take('a', 2, 2_900)).toBe(1);
    expect(limiter.take('a', 2, 3_001)).toBe(0);
    expect(takeUntilRefused(limiter, 'a', 600_000)).toBe(20);
  });

  it('keeps keys apart, and forgets the least recently used one', () => {
    const limiter = new RateLimiter('slack', 2);
    expect(takeUntilRefused(limiter, 'a', 0)).toBe(20);
    expect(takeUntilRefused(limiter, 'b', 0)).toBe(20);
    expect(limiter.take('c', 2, 0)).toBe(0);
    expect(limiter.take('a', 2, 0)).toBe(0);
    expect(limiter.take('c', 2, 0)).toBe(0);
  });

  it('limits nothing when off', () => {
    expect(takeUntilRefused(new RateLimiter('off'), 'a', 0)).toBe(Infinity);
  });
});

describe('a webapp with Slack’s tiers', () => {
  it('answers 429 with whole seconds in Retry-After, and lets the call through after them', async () => {
    const world = await makeWorld({ rateLimits: 'slack' });
    const { token } = await world.user('alice');
    const post = () => world.call('chat.postMessage', token, { channel: CHANNEL, text: 'hi' });
    for (let i = 0; i < 10; i++) expect((await post()).status).toBe(200);
    const refused = await post();
    expect(refused.status).toBe(429);
    expect(refused.headers['retry-after']).toBe('1');
    expect(refused.json).toEqual({ ok: false, error: 'ratelimited' });
    expect(world.sender.commands('post')).toHaveLength(10);
    world.clock.advance(1_000);
    expect((await post()).json.ok).toBe(true);
  });

  it('counts posts per channel, other methods per token', async () => {
    const world = await makeWorld({ rateLimits: 'slack' });
    const [alice, bob] = [await world.user('alice'), await world.user('bob')];
    for (let i = 0; i < 10; i++) await world.call('chat.postMessage', alice.token, { channel: CHANNEL, text: 'hi' });
    const elsewhere = await world.call('chat.postMessage', alice.token, { channel: 'C0000000002', text: 'hi' });
    expect(elsewhere.status).toBe(200);
    for (let i = 0; i < 20; i++) await world.call('users.list', alice.token);
    expect((await world.call('users.list', alice.token)).status).toBe(429);
    expect((await world.call('users.list', bob.token)).status).toBe(200);
  });

  it('never limits a token that is marked unlimited', async () => {
    const world = await makeWorld({ rateLimits: 'slack' });
    const { id } = await world.user('alice');
    const made = await world.call('belfry.tokens.create', await world.admin(), { user: id, unlimited: 'True' });
    for (let i = 0; i < 50; i++) {
      const post = await world.call('chat.postMessage', String(made.json['token']), { channel: CHANNEL, text: 'hi' });
      expect(post.status).toBe(200);
    }
  });

  it('is far more generous by default', async () => {
    const world = await makeWorld({ rateLimits: 'default' });
    const { token } = await world.user('alice');
    for (let i = 0; i < 500; i++) expect((await world.call('users.info', token, { user: 'U123' })).status).toBe(200);
  });
});
