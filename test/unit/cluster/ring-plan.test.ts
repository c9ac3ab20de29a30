import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Eviction } from '../../../cluster/eviction.ts';
import { assign, type Candidate } from '../../../cluster/hash-table.ts';
import { MoveCourse } from '../../../cluster/move-course.ts';
import { planRing, type RingSituation } from '../../../cluster/ring-plan.ts';
import { SlotTable, unownedRows } from '../../../cluster/slot-table.ts';
import { limits } from '../../../platform/limits.ts';
import type { SlotRow } from '../../../protocol/cluster.ts';
import type { Incarnation } from '../../../protocol/ids.ts';

const SLOTS = 64;
const name = (text: string) => text as Incarnation;
const worker = (text: string, rest: Partial<Candidate> = {}): Candidate => ({
  incarnation: name(text),
  key: text,
  weight: 1,
  zone: '',
  takes: true,
  draining: false,
  ...rest,
});
const situation = (rows: readonly SlotRow[], rest: Partial<RingSituation>): RingSituation => ({
  rows,
  workers: [],
  evicted: new Map(),
  isOpened: () => false,
  isLetGo: () => false,
  handoffMax: limits.handoffSlotsMax,
  seenEpochs: new Map(),
  movesOf: assign,
  ...rest,
});
const row = (owner: string | undefined, rest: Partial<SlotRow> = {}): SlotRow => ({
  owner: owner === undefined ? undefined : name(owner),
  epoch: 5,
  state: 'stable',
  from: undefined,
  fence: false,
  ...rest,
});

describe('the next table', () => {
  it('waits for the eviction of a dead owner, and fences if that was unsure', () => {
    const rows = [row('dead')];
    const before = planRing(situation(rows, { workers: [worker('a')] }));
    expect(before).toBeUndefined();
    for (const [result, fence] of [
      ['cut-off', false],
      ['unsure', true],
    ] as const) {
      const plan = planRing(situation(rows, { workers: [worker('a')], evicted: new Map([[name('dead'), result]]) }));
      expect(plan).toEqual([row('a', { epoch: 6, fence })]);
    }
  });

  it('keeps a fence through later owners', () => {
    const rows = [row('dead', { fence: true })];
    const evicted = new Map<Incarnation, Eviction>([[name('dead'), 'cut-off']]);
    expect(planRing(situation(rows, { workers: [worker('a')], evicted }))?.[0]).toMatchObject({ fence: true });
    const draining = [worker('a', { draining: true }), worker('b')];
    const plan = planRing(situation([row('a', { fence: true })], { workers: draining }));
    expect(plan?.[0]).toEqual(row('b', { epoch: 6, state: 'handoff', from: name('a'), fence: true }));
  });

  const handoff = row('new', { state: 'handoff', from: name('old') });
  it('ends a hand-off when the new owner serves, when the old one is gone, or when it let go', () => {
    const both = [worker('new'), worker('old')];
    expect(planRing(situation([handoff], { workers: both }))).toBeUndefined();
    expect(planRing(situation([handoff], { workers: both, isOpened: () => true }))).toEqual([row('new')]);
    const letGo = planRing(situation([handoff], { workers: both, isLetGo: () => true }));
    expect(letGo).toEqual([row('new', { fence: true })]);
    const evicted = new Map<Incarnation, Eviction>([[name('old'), 'cut-off']]);
    expect(planRing(situation([handoff], { workers: [worker('new')], evicted }))).toEqual([row('new')]);
  });

  it('gives a slot back, under a higher epoch, when the new owner died in the hand-off', () => {
    const evicted = new Map<Incarnation, Eviction>([[name('new'), 'cut-off']]);
    const plan = planRing(situation([handoff], { workers: [worker('old')], evicted }));
    expect(plan).toEqual([row('old', { epoch: 6 })]);
  });

  it('raises an epoch above what the log showed, and fences', () => {
    const plan = planRing(situation([row('a')], { workers: [worker('a')], seenEpochs: new Map([[0, 9]]) }));
    expect(plan).toEqual([row('a', { epoch: 10, fence: true })]);
  });

  it('hands off a bounded number at once', () => {
    const rows = Array.from({ length: 4_096 }, () => row('a'));
    const plan = planRing(situation(rows, { workers: [worker('a'), worker('b')] }));
    expect(plan?.filter(({ state }) => state === 'handoff')).toHaveLength(limits.handoffSlotsMax);
  });

  it('keeps epochs, owners and fences right through any history, and ends balanced', () => {
    const step = fc.record({
      event: fc.constantFrom('join', 'die', 'drain', 'open', 'let-go', 'plan'),
      pick: fc.nat(100),
      sure: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 40 }), (steps) => {
        let rows = unownedRows(SLOTS);
        let workers: Candidate[] = [worker('w')];
        const evicted = new Map<Incarnation, Eviction>();
        const unsure = new Set<Incarnation>();
        let opened = new Set<string>();
        const letGo = new Set<string>();
        const course = new MoveCourse();
        const advance = (): boolean => {
          const key = (slot: number, epoch: number) => `${slot}/${epoch}`;
          const plan = planRing({
            rows,
            workers,
            evicted,
            isOpened: (slot, epoch) => opened.has(key(slot, epoch)),
            isLetGo: (slot, epoch) => letGo.has(key(slot, epoch)),
            handoffMax: 8,
            seenEpochs: new Map(),
            movesOf: (owners, candidates) => course.movesOf(owners, candidates),
          });
          plan?.forEach((next, slot) => checkChange(rows[slot]!, next, evicted));
          const named = new SlotTable(1, { rows }).members();
          rows = plan ?? rows;
          const isListed = (owner: Incarnation) => workers.some(({ incarnation }) => incarnation === owner);
          const dead = [...named].filter((owner) => !isListed(owner) && !evicted.has(owner));
          for (const owner of dead) evicted.set(owner, unsure.has(owner) ? 'unsure' : 'cut-off');
          return plan !== undefined || dead.length > 0;
        };
        steps.forEach(({ event, pick, sure }, i) => {
          const picked = workers[pick % Math.max(1, workers.length)];
          if (event === 'join') workers = [...workers, worker(`w${i}`)];
          if (event === 'die' && picked !== undefined) {
            workers = workers.filter((other) => other !== picked);
            if (!sure) unsure.add(picked.incarnation);
          }
          if (event === 'drain') workers = workers.map((w) => (w === picked ? { ...w, draining: true } : w));
          const moving = rows.flatMap(({ state, epoch }, slot) => (state === 'handoff' ? [`${slot}/${epoch}`] : []));
          if (event === 'open') opened = new Set(moving);
          if (event === 'let-go' && moving[pick % moving.length] !== undefined)
            letGo.add(moving[pick % moving.length]!);
          advance();
        });
        if (!workers.some(({ draining }) => !draining)) workers = [...workers, worker('last')];
        for (let rounds = 0; rounds < 50; rounds++) {
          opened = new Set(rows.map(({ epoch }, slot) => `${slot}/${epoch}`));
          if (!advance()) break;
        }
        const takers = workers.filter(({ draining }) => !draining);
        for (const { incarnation } of takers) {
          const share = rows.filter(({ owner }) => owner === incarnation).length;
          expect(share).toBeGreaterThanOrEqual(Math.floor(SLOTS / takers.length));
          expect(share).toBeLessThanOrEqual(Math.ceil(SLOTS / takers.length));
        }
        expect(rows.every(({ state }) => state === 'stable')).toBe(true);
      }),
      { numRuns: 100 },
    );
  });
});

/** R1-R3 over one written change. */
function checkChange(before: SlotRow, after: SlotRow, evicted: ReadonlyMap<Incarnation, Eviction>): void {
  expect(after.epoch).toBeGreaterThanOrEqual(before.epoch);
  if (after.owner !== before.owner && after.owner !== undefined) expect(after.epoch).toBeGreaterThan(before.epoch);
  if (before.fence) expect(after.fence).toBe(true);
  const holder = before.state === 'handoff' ? before.from : before.owner;
  if (holder !== undefined && evicted.get(holder) === 'unsure' && after.owner !== holder && after.state === 'stable') {
    expect(after.fence || before.owner === after.owner).toBe(true);
  }
  if (after.state !== 'handoff') return;
  if (after.epoch === before.epoch) expect(after.from).toBe(before.from);
  else expect([before.owner, before.from]).toContain(after.from);
}
