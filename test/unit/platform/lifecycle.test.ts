import { describe, expect, it, vi } from 'vitest';
import { ManualClock } from '../../../platform/clock.ts';
import { Lifecycle } from '../../../platform/lifecycle.ts';
import type { ProcessPort, StopSignal } from '../../../platform/lifecycle.ts';
import { createMemoryLogger } from '../../../platform/logger.ts';

class FakeProcess implements ProcessPort {
  readonly supervised: boolean;
  readonly exits: number[] = [];
  readonly #signals = new Map<StopSignal, () => void>();
  endInput: () => void = () => {};

  constructor(supervised = false) {
    this.supervised = supervised;
  }

  onSignal(signal: StopSignal, run: () => void): void {
    this.#signals.set(signal, run);
  }

  onInputEnd(run: () => void): void {
    this.endInput = run;
  }

  exit(code: number): void {
    this.exits.push(code);
  }

  signal(signal: StopSignal): void {
    this.#signals.get(signal)?.();
  }
}

function setUp(supervised = false) {
  const clock = new ManualClock();
  const fake = new FakeProcess(supervised);
  const { logger, lines } = createMemoryLogger();
  const lifecycle = new Lifecycle({ clock, logger, process: fake, drainDeadlineMs: 5_000 });
  lifecycle.listen();
  return { clock, fake, lifecycle, events: () => lines.map((line) => line.event) };
}

describe('readiness', () => {
  it('holds while every named condition holds', async () => {
    const { lifecycle } = setUp();
    const [nats, table] = [lifecycle.condition('nats'), lifecycle.condition('table')];
    const woken = vi.fn();
    const waiting = lifecycle.whenReady().then(woken);
    nats.set(true);
    expect([lifecycle.isReady(), lifecycle.missing()]).toEqual([false, ['table']]);
    expect(woken).not.toHaveBeenCalled();
    table.set(true);
    await waiting;
    expect(lifecycle.isReady()).toBe(true);
    nats.set(false);
    expect([lifecycle.isReady(), lifecycle.missing()]).toEqual([false, ['nats']]);
  });

  it('ends with the drain, and wakes those who wait for it', async () => {
    const { lifecycle } = setUp();
    lifecycle.condition('nats');
    const waiting = lifecycle.whenReady();
    void lifecycle.shutdown('test');
    await waiting;
    expect([lifecycle.isReady(), lifecycle.draining.aborted]).toEqual([false, true]);
    expect(lifecycle.missing()).toContain('draining');
  });
});

describe('drain', () => {
  it('runs the steps one by one, the last registered first, then exits with 0', async () => {
    const { lifecycle, fake } = setUp();
    const order: string[] = [];
    for (const name of ['connection', 'actors', 'listener']) {
      lifecycle.onShutdown(name, async () => {
        await Promise.resolve();
        order.push(name);
      });
    }
    fake.signal('SIGTERM');
    await vi.waitFor(() => expect(fake.exits).toEqual([0]));
    expect(order).toEqual(['listener', 'actors', 'connection']);
  });

  it('starts once, however often the signal comes within a second', async () => {
    const { lifecycle, fake, clock } = setUp();
    const step = vi.fn();
    lifecycle.onShutdown('step', step);
    fake.signal('SIGINT');
    fake.signal('SIGINT');
    clock.advance(900);
    fake.signal('SIGTERM');
    await vi.waitFor(() => expect(fake.exits).toEqual([0]));
    expect(step).toHaveBeenCalledOnce();
  });

  it('is cut short by a signal that comes later', () => {
    const { lifecycle, fake, clock } = setUp();
    lifecycle.onShutdown('stuck', () => new Promise(() => {}));
    fake.signal('SIGINT');
    clock.advance(1_500);
    expect(fake.exits).toEqual([]);
    fake.signal('SIGINT');
    expect(fake.exits).toEqual([1]);
  });

  it('goes on past a step that fails, and exits with 1', async () => {
    const { lifecycle, fake, events } = setUp();
    const last = vi.fn();
    lifecycle.onShutdown('connection', last);
    lifecycle.onShutdown('broken', () => Promise.reject(new Error('broken')));
    fake.signal('SIGTERM');
    await vi.waitFor(() => expect(fake.exits).toEqual([1]));
    expect(last).toHaveBeenCalledOnce();
    expect(events()).toContain('drain_step_failed');
  });

  it('ends with 1 when its deadline passes', async () => {
    const { lifecycle, fake, clock, events } = setUp();
    lifecycle.onShutdown('stuck', () => new Promise(() => {}));
    fake.signal('SIGTERM');
    clock.advance(5_000);
    await vi.waitFor(() => expect(fake.exits).toEqual([1]));
    expect(events()).toContain('drain_deadline_passed');
  });

  it('begins when the supervisor of a supervised process is gone', async () => {
    const { fake, events } = setUp(true);
    fake.endInput();
    await vi.waitFor(() => expect(fake.exits).toEqual([0]));
    expect(events()).toContain('drain_started');
  });

  it('does not watch standard input without a supervisor', () => {
    const { fake, lifecycle } = setUp(false);
    fake.endInput();
    expect(lifecycle.draining.aborted).toBe(false);
  });

  it('follows a failure that nobody can handle, which exits with 1', async () => {
    const { lifecycle, fake, events } = setUp();
    await lifecycle.fail('invariant_lost', new Error('lost'));
    expect(fake.exits).toEqual([1]);
    expect(events()).toContain('invariant_lost');
  });
});
