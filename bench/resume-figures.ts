/** The figures of the resume scenario, from what its load processes report. */
import { LatencyHistogram, type Percentiles } from './histogram.ts';
import type { ReturnReport } from './resume-sockets.ts';
import type { Measurement } from './scenario.ts';

const stormGoalMs = 10_000;

export function merged(latencies: readonly string[]): string {
  return LatencyHistogram.merged(latencies).encode();
}

function percentilesOf(latency: string): Percentiles {
  return LatencyHistogram.decode(latency).percentiles();
}

export function ms(subject: string, name: string, value: number, atMost?: number): Measurement {
  return { subject, name, unit: 'ms', value, ...(atMost === undefined ? {} : { goal: { atMost } }) };
}

export function latenciesOf(reports: readonly ReturnReport[]) {
  return {
    'wanted back to hello': merged(reports.map((one) => one.hello)),
    'wanted back to caught up': merged(reports.map((one) => one.done)),
  };
}

export function stormMeasurements(reports: readonly ReturnReport[]): Measurement[] {
  const latencies = latenciesOf(reports);
  const hello = percentilesOf(latencies['wanted back to hello']);
  const done = percentilesOf(latencies['wanted back to caught up']);
  return [
    ms('storm', 'all resumed', Math.max(...reports.map(({ wallMs }) => wallMs)), stormGoalMs),
    ms('storm', 'to hello, p50', hello.p50Ms),
    ms('storm', 'to hello, p99', hello.p99Ms),
    ms('storm', 'to the end of resume, p50', done.p50Ms),
    ms('storm', 'to the end of resume, p99', done.p99Ms),
    {
      subject: 'storm',
      name: 'asked to come again',
      unit: '',
      value: reports.reduce((sum, one) => sum + one.again, 0),
    },
  ];
}

/** Of encoded latencies. */
export function postMeasurements(calmPosts: string, duringStorm: string): Measurement[] {
  const [calm, during] = [percentilesOf(calmPosts), percentilesOf(duringStorm)];
  return [
    ms('posts', 'before, p50', calm.p50Ms),
    ms('posts', 'before, p99', calm.p99Ms),
    ms('posts', 'during the storm, p50', during.p50Ms),
    ms('posts', 'during the storm, p99', during.p99Ms),
    ms('posts', 'during the storm, longest', during.maxMs),
  ];
}
