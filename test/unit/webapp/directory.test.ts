import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { limits } from '../../../platform/limits.ts';
import { parseUserId } from '../../../protocol/ids.ts';
import { DirectoryIndex } from '../../../webapp/directory-index.ts';
import { isTokenRevoked, makeToken, tokenHashOf } from '../../../webapp/token-store.ts';
import { createApp, createUser } from '../../../webapp/workspace.ts';
import { SeededRng } from '../../../platform/rng.ts';
import { makeWorld } from '../../support/webapp-world.ts';

describe('DirectoryIndex', () => {
  it('pages through the same records in the same order as a sorted list, whatever was added when', () => {
    const ids = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 4 }), { maxLength: 200 });
    fc.assert(
      fc.property(ids, fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 100 }), (all, limit, every) => {
        const index = new DirectoryIndex<{ id: string }>();
        all.forEach((id, i) => {
          index.apply({ id }, i + 1);
          if (i % every === 0) index.page('', 1);
        });
        const seen: string[] = [];
        for (let more = true; more; ) {
          const page = index.page(seen.at(-1) ?? '', limit);
          seen.push(...page.records.map((record) => record.id));
          more = page.more;
        }
        expect(seen).toEqual([...all].sort());
      }),
    );
  });

  it('never goes back to an older revision', () => {
    const index = new DirectoryIndex<{ id: string; name: string }>();
    index.apply({ id: 'a', name: 'new' }, 5);
    expect(index.apply({ id: 'a', name: 'old' }, 4)).toBe(false);
    index.remove('a', 3);
    expect(index.get('a')?.name).toBe('new');
  });
});

describe('users', () => {
  it('have one name and one address each', async () => {
    const { directory } = await makeWorld();
    const first = await createUser(directory, { name: 'alice', email: 'Alice@Example.com' });
    expect(first.kind).toBe('made');
    expect(await createUser(directory, { name: 'alice' })).toMatchObject({ kind: 'taken', what: 'name' });
    const second = await createUser(directory, { name: 'bob', email: 'alice@example.com' });
    expect(second).toMatchObject({ kind: 'taken', what: 'email', user: { name: 'alice' } });
    expect(await createUser(directory, { name: 'bob' })).toMatchObject({ kind: 'made' });
    expect(await directory.userByEmail(' ALICE@example.COM ')).toMatchObject({ value: { name: 'alice' } });
  });

  it('of one name made at once are one user', async () => {
    const { directory } = await makeWorld();
    const made = await Promise.all(Array.from({ length: 5 }, () => createUser(directory, { name: 'alice' })));
    expect(made.filter((outcome) => outcome.kind === 'made')).toHaveLength(1);
    expect(directory.users.size).toBe(1);
  });

  it('that were made half-way are finished by the next attempt', async () => {
    const { directory, buckets } = await makeWorld();
    const interrupted = createUser(directory, { name: 'alice' });
    buckets.directory.down = true;
    expect((await interrupted).kind).toBe('unavailable');
    buckets.directory.down = false;
    expect(await createUser(directory, { name: 'alice' })).toMatchObject({ kind: 'made', user: { name: 'alice' } });
  });

  it('are made once although the broker’s answer was lost', async () => {
    const { directory, buckets } = await makeWorld();
    buckets.directory.losesNextAnswer = true;
    expect(await createUser(directory, { name: 'alice' })).toMatchObject({ kind: 'made' });
  });

  it('made elsewhere are found before any hint of them arrives, and listed after', async () => {
    const world = await makeWorld();
    const other = await makeWorld({ beside: world });
    world.buckets.directory.deaf = true;
    const { id } = await other.user('alice');
    expect(world.directory.users.page('', 10).records).toEqual([]);
    expect(await world.directory.user(parseUserId(id)!)).toMatchObject({ kind: 'found', value: { name: 'alice' } });
    expect(world.directory.users.page('', 10).records).toHaveLength(1);
  });
});

describe('apps', () => {
  it('made again under their name are the same app', async () => {
    const { directory } = await makeWorld();
    const first = await createApp(directory, 'helper');
    const again = await createApp(directory, 'helper');
    expect(first).toMatchObject({ kind: 'made', isNew: true, user: { bot: {} } });
    expect(again).toMatchObject({ kind: 'made', isNew: false });
    expect(first.kind === 'made' && again.kind === 'made' && first.app.id === again.app.id).toBe(true);
  });

  it('cannot take a person’s name', async () => {
    const world = await makeWorld();
    await world.user('alice');
    expect(await createApp(world.directory, 'alice')).toMatchObject({ kind: 'taken', what: 'name' });
  });
});

describe('tokens', () => {
  const errorOf = async (world: Awaited<ReturnType<typeof makeWorld>>, token: string) =>
    (await world.call('team.info', token)).json.error ?? 'ok';

  it('are stored as hashes only', async () => {
    const world = await makeWorld();
    const { token } = await world.user('alice');
    const stored = [...world.buckets.tokens.entriesByKey.values(), ...world.buckets.directory.entriesByKey.values()];
    const text = stored.map(({ key, value }) => key + Buffer.from(value).toString()).join('\n');
    expect(text).toContain(tokenHashOf(token));
    expect(text).not.toContain(token.slice(5));
    expect(token).toMatch(/^xoxp-[0-9a-f]{40}$/);
  });

  it('are read once for a burst of requests, and again when they have grown old', async () => {
    const world = await makeWorld();
    const { token } = await world.user('alice');
    const before = world.buckets.tokens.reads;
    await Promise.all(Array.from({ length: 20 }, () => errorOf(world, token)));
    expect(world.buckets.tokens.reads - before).toBe(1);
    world.clock.advance(limits.tokenCacheAgeMs);
    await errorOf(world, token);
    expect(world.buckets.tokens.reads - before).toBe(2);
  });

  it('that are unknown are remembered as unknown only briefly', async () => {
    const world = await makeWorld();
    const token = makeToken('user', new SeededRng(9));
    const { id } = await world.user('alice');
    for (let i = 0; i < 3; i++) expect(await errorOf(world, token)).toBe('invalid_auth');
    const other = await makeWorld({ beside: world });
    await other.directory.tokens.install(token, { kind: 'user', user: parseUserId(id)!, unlimited: false });
    expect(await errorOf(world, token)).toBe('invalid_auth');
    world.clock.advance(limits.unknownTokenAgeMs);
    expect(await errorOf(world, token)).toBe('ok');
  });

  it('die at once when revoked, here and elsewhere', async () => {
    const world = await makeWorld();
    const other = await makeWorld({ beside: world });
    const { token } = await world.user('alice');
    expect([await errorOf(world, token), await errorOf(other, token)]).toEqual(['ok', 'ok']);
    const revoked = await other.call('belfry.tokens.revoke', await other.admin(), { token });
    expect(revoked.json).toEqual({ ok: true, revoked: true });
    expect([await errorOf(world, token), await errorOf(other, token)]).toEqual(['token_revoked', 'token_revoked']);
  });

  it('are all read again after a revocation’s message was lost: the next one shows the hole', async () => {
    const world = await makeWorld();
    const other = await makeWorld({ beside: world });
    const [alice, bob, carol] = [await world.user('alice'), await world.user('bob'), await world.user('carol')];
    await other.directory.tokens.revoke(tokenHashOf(carol.token));
    expect([await errorOf(world, alice.token), await errorOf(world, bob.token)]).toEqual(['ok', 'ok']);
    world.news.losesNext = true;
    await other.directory.tokens.revoke(tokenHashOf(alice.token));
    expect(await errorOf(world, alice.token)).toBe('ok');
    await other.directory.tokens.revoke(tokenHashOf(bob.token));
    expect(await errorOf(world, alice.token)).toBe('token_revoked');
  });

  it('are all read again after a reconnect, since news is lost meanwhile', async () => {
    const world = await makeWorld();
    const other = await makeWorld({ beside: world });
    const { token } = await world.user('alice');
    await errorOf(world, token);
    world.news.losesNext = true;
    await other.directory.tokens.revoke(tokenHashOf(token));
    expect(await errorOf(world, token)).toBe('ok');
    world.news.reconnect();
    expect(await errorOf(world, token)).toBe('token_revoked');
  });

  it('revoked while they are being read are not remembered as valid', async () => {
    const world = await makeWorld();
    const { token } = await world.user('alice');
    const reading = errorOf(world, token);
    await world.directory.tokens.revoke(tokenHashOf(token));
    await reading;
    expect(await errorOf(world, token)).toBe('token_revoked');
  });

  it('can be asked after by who holds sessions of them', async () => {
    const world = await makeWorld();
    const hash = tokenHashOf((await world.user('alice')).token);
    expect(await isTokenRevoked(world.buckets.tokens, hash)).toBe(false);
    await world.directory.tokens.revoke(hash);
    expect(await isTokenRevoked(world.buckets.tokens, hash)).toBe(true);
    world.buckets.tokens.down = true;
    await expect(isTokenRevoked(world.buckets.tokens, hash)).rejects.toThrow('does not answer');
  });

  it('cannot be checked while the broker is away: 503, and fine afterwards', async () => {
    const world = await makeWorld();
    const { token } = await world.user('alice');
    world.buckets.tokens.down = true;
    const answer = await world.call('team.info', token);
    expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '1' } });
    expect(answer.json).toEqual({ ok: false, error: 'service_unavailable' });
    world.buckets.tokens.down = false;
    expect(await errorOf(world, token)).toBe('ok');
  });
});
