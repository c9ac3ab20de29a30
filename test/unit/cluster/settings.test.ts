import { describe, expect, it } from 'vitest';
import { MemoryBrokerHub } from '../../../broker/memory-broker.ts';
import { BUCKET_CLUSTER } from '../../../broker/subjects.ts';
import { createSettings, readSettings } from '../../../cluster/settings.ts';
import { ManualClock } from '../../../platform/clock.ts';
import type { TeamId } from '../../../protocol/ids.ts';

const settings = {
  team: 'T0000000001' as TeamId,
  createdAt: 1,
  secret: Buffer.alloc(32, 7).toString('base64'),
};

function bucketOf() {
  return new MemoryBrokerHub({ clock: new ManualClock() }).connect('a').kv(BUCKET_CLUSTER);
}

describe('cluster settings', () => {
  it('are written once; whoever comes later gets the first ones', async () => {
    const bucket = bucketOf();
    expect(await readSettings(bucket)).toEqual({ kind: 'absent' });
    const first = await createSettings(bucket, settings);
    const second = await createSettings(bucket, { ...settings, createdAt: 2 });
    expect(first).toMatchObject({ kind: 'found', settings: { createdAt: 1, slots: 4_096 } });
    expect(second).toEqual(first);
    expect(await readSettings(bucket)).toEqual(first);
  });

  it.each(['', '{', '[]', '{"format":2}', '{"format":1,"slots":1}'])('are refused when damaged: %s', async (text) => {
    const bucket = bucketOf();
    await bucket.put('settings', Buffer.from(text));
    expect((await readSettings(bucket)).kind).toBe('invalid');
  });
});
