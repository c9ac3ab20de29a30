/** When a figure is the load's own limit, and not the servers'. */
import { describe, expect, it } from 'vitest';
import { clientBoundNote, fullMachineNote } from '../../../bench/client-bound.ts';

const idle = { cores: 0.3, lagP99Ms: 1 };

describe('the load', () => {
  it.each([
    ['a process that used nearly all of its core', [idle, { cores: 0.86, lagP99Ms: 1 }], 10, /used 0\.860 of a core/],
    ['a loop that was late by half of the latency', [{ cores: 0.5, lagP99Ms: 12 }], 24, /late by 12 ms itself/],
  ])('is what limits with %s', (_, clients, p99Ms, note) => {
    expect(clientBoundNote('uws', clients, p99Ms)).toMatch(note);
    expect(clientBoundNote('uws', clients, p99Ms)).toMatch(/^uws: client-bound: .*try --load-procs/);
  });

  it.each([
    ['no load process', [], 10],
    ['room to spare', [idle], 2],
    ['a late loop that is a small part of the latency', [{ cores: 0.5, lagP99Ms: 12 }], 25],
    ['a loop that is late by less than a timer means', [{ cores: 0.5, lagP99Ms: 9 }], 9],
    ['no latency to judge by', [{ cores: 0.5, lagP99Ms: 100 }], undefined],
  ])('is not with %s', (_, clients, p99Ms) => {
    expect(clientBoundNote('uws', clients, p99Ms)).toBeUndefined();
  });
});

describe('the machine', () => {
  it('is what limits when servers and load together leave nothing of it', () => {
    expect(fullMachineNote('belfry', 1.91, 2)).toMatch(
      /^belfry: machine full: servers and load used 1\.910 of 2 cores/,
    );
    expect(fullMachineNote('belfry', 1.89, 2)).toBeUndefined();
  });
});
