import { describe, expect, it } from 'vitest';
import type { TestModule } from 'vitest/node';
import { closingLine, countRun } from '../support/closing-line-reporter.ts';

type State = 'passed' | 'failed' | 'skipped' | 'pending';

/** As much of a module as the count looks at. */
function moduleOf(states: State[], moduleErrors = 0, suiteErrors = 0): TestModule {
  const errors = (count: number) => () => Array.from({ length: count }, () => ({ message: 'broken' }));
  const children = {
    allTests: () => states.map((state) => ({ result: () => ({ state }) })),
    allSuites: () => [{ errors: errors(suiteErrors) }],
  };
  return { errors: errors(moduleErrors), children } as unknown as TestModule;
}

describe('the closing line', () => {
  it.each<[string, TestModule[], number, string]>([
    ['tests by their outcome', [moduleOf(['passed', 'failed']), moduleOf(['passed'])], 0, '2 passed, 1 failed'],
    ['skipped tests apart', [moduleOf(['passed', 'skipped'])], 0, '1 passed, 0 failed, 1 skipped'],
    ['a module that does not load', [moduleOf(['passed']), moduleOf([], 1)], 0, '1 passed, 1 failed'],
    ['a suite whose set-up breaks', [moduleOf(['passed'], 0, 1)], 0, '1 passed, 1 failed'],
    ['errors that nothing caught', [moduleOf(['passed'])], 2, '1 passed, 2 failed'],
    ['a test that was cut off', [moduleOf(['passed', 'pending'])], 0, '1 passed, 1 failed'],
    ['a run of nothing as a failure', [], 0, '0 passed, 1 failed'],
  ])('counts %s', (_, modules, unhandled, line) => {
    expect(closingLine(countRun(modules, unhandled))).toBe(line);
  });
});
