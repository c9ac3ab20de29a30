/**
 * Ends every test run with one line that scripts can read: `N passed, N failed`, then `, N skipped` if any were.
 *
 * L1  It is the last line of the run: it is written while the process exits, after every other reporter.
 * L2  Whatever makes the run fail is counted: failed tests, modules and suites that do not load, and
 *     errors that nothing caught. A run in which nothing ran at all says `0 passed, 1 failed`.
 */
import { writeSync } from 'node:fs';
import type { Reporter, SerializedError, TestModule } from 'vitest/node';

export type RunCount = { passed: number; failed: number; skipped: number };

export function countRun(modules: ReadonlyArray<TestModule>, unhandledErrorCount: number): RunCount {
  const count: RunCount = { passed: 0, failed: unhandledErrorCount, skipped: 0 };
  for (const module of modules) {
    count.failed += module.errors().length;
    for (const suite of module.children.allSuites()) count.failed += suite.errors().length;
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      if (state === 'passed') count.passed += 1;
      else if (state === 'failed') count.failed += 1;
      else if (state === 'skipped') count.skipped += 1;
      // A test still pending when the run ends was cut off, which is a failure (L2).
      else count.failed += 1;
    }
  }
  if (count.passed + count.failed + count.skipped === 0) count.failed = 1;
  return count;
}

export function closingLine(count: RunCount): string {
  const skipped = count.skipped > 0 ? `, ${count.skipped} skipped` : '';
  return `${count.passed} passed, ${count.failed} failed${skipped}`;
}

export class ClosingLineReporter implements Reporter {
  #line: string | undefined;

  onTestRunEnd(modules: ReadonlyArray<TestModule>, unhandledErrors: ReadonlyArray<SerializedError>): void {
    const first = this.#line === undefined;
    this.#line = closingLine(countRun(modules, unhandledErrors.length));
    if (!first) return;
    process.once('exit', () => {
      writeSync(1, `${this.#line ?? ''}\n`);
    });
  }
}
