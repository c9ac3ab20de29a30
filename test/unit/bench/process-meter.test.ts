/** CPU and memory of real processes over a stretch, when they live through it and when they are replaced. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, expect, it } from 'vitest';
import { ProcessMeter } from '../../../bench/process-meter.ts';
import { cpuSecondsOf, familySecondsOf } from '../../../bench/process-stat.ts';
import { until } from '../../support/until.ts';

const busy = 'for (;;);';

const children: ChildProcess[] = [];

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

function run(): { child: ChildProcess; process: { role: string; pid: number; id: string } } {
  const child = spawn(process.execPath, ['-e', busy]);
  children.push(child);
  return { child, process: { role: 'worker', pid: child.pid ?? 0, id: 'worker-1' } };
}

async function kill(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

async function untilUsed(pid: number, seconds: number): Promise<void> {
  await until('a process to use its time', () => (cpuSecondsOf(pid) ?? 0) >= seconds);
}

it('names a process that ended meanwhile', async () => {
  const { child, process } = run();
  const meter = new ProcessMeter([process]);
  meter.start();
  await kill(child);
  expect(meter.gone()).toEqual([process]);
});

it('counts a process that is killed on purpose and its successor as one', async () => {
  const [first, second] = [run(), run()];
  let running = [first.process];
  const meter = new ProcessMeter(running, () => running);
  await untilUsed(first.process.pid, 0.1);
  meter.start();
  await untilUsed(first.process.pid, 0.2);
  meter.sample();
  await kill(first.child);
  running = [second.process];
  await untilUsed(second.process.pid, 0.1);
  const uses = meter.stop();
  await kill(second.child);
  expect(meter.gone()).toEqual([]);
  expect(uses).toHaveLength(1);
  expect(uses[0]?.role).toBe('worker');
  expect(uses[0]?.cpuSeconds).toBeGreaterThanOrEqual(0.19);
  expect(uses[0]?.residentBytes).toBeGreaterThan(1_000_000);
});

it('still has what a child used that has ended, with its parent', async () => {
  const before = familySecondsOf(process.pid) - (cpuSecondsOf(process.pid) ?? 0);
  const { child, process: own } = run();
  await untilUsed(own.pid, 0.1);
  await kill(child);
  expect(familySecondsOf(process.pid) - (cpuSecondsOf(process.pid) ?? 0) - before).toBeGreaterThanOrEqual(0.09);
});
