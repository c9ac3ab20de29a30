/**
 * How the tests run: one configuration for every folder under test/ and for tests beside their source.
 *
 * Files run in forked processes, two at a time: integration tests start a nats-server and several
 * roles each, and a machine with two cores must still meet its time-outs. Those tests start dist/,
 * so `npm test` builds first. What starts no process, but for a nats-server, runs many files in one
 * (project `pure`): a process and its imports cost more than most of those files. The minute of chaos
 * comes last and alone: it takes both cores, and what ran beside it missed its time-outs. The closing
 * line is the last line on purpose: CI reads it.
 */
import { defineConfig } from 'vitest/config';
import { ClosingLineReporter } from './test/support/closing-line-reporter.ts';
import { LongestFirst } from './test/support/longest-first.ts';

const pure = [
  'test/{unit,simulation,conformance}/**/*.test.ts',
  'test/integration/{actors,gateway-sessions,nats-permissions,region-batches,slow-session,webapp}.test.ts',
];
const chaos = ['test/chaos/**/*.test.ts'];
const notOurs = ['**/node_modules/**', 'dist/**', 'coverage/**', '.tools/**', '.belfry/**'];

export default defineConfig({
  test: {
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    teardownTimeout: 10_000,
    allowOnly: false,
    sequence: { sequencer: LongestFirst },
    projects: [
      { extends: true, test: { name: 'pure', include: pure, exclude: notOurs, isolate: false } },
      {
        extends: true,
        test: { name: 'processes', include: ['**/*.test.ts'], exclude: [...notOurs, ...pure, ...chaos] },
      },
      { extends: true, test: { name: 'chaos', include: chaos, exclude: notOurs, sequence: { groupOrder: 1 } } },
    ],
    reporters: ['default', new ClosingLineReporter()],
    coverage: {
      provider: 'v8',
      include: ['{platform,protocol,broker,cluster,actors,webapp,transport,client,bin}/**/*.ts'],
      reporter: ['text-summary', 'html'],
    },
  },
});
