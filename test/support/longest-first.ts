/**
 * The order of test files: what takes longest begins first, so that no core is idle at the end while one file goes on.
 *
 * O1  Files that share a process with their like (project `pure`) come last and together: a process is kept for the next
 *     file only when that file is of its kind.
 */
import { relative } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { projectRoot } from '../../platform/project-root.ts';

/** Seconds on two cores, in the whole run; only their order counts. What is not here takes less. */
const secondsOf: Readonly<Record<string, number>> = {
  'test/integration/drain.test.ts': 37,
  'test/integration/overload.test.ts': 30,
  'test/integration/replicas.test.ts': 26,
  'test/simulation/actors.test.ts': 22,
  'test/simulation/cluster.test.ts': 20,
  'test/integration/bench.test.ts': 18,
  'test/integration/gateway-drain.test.ts': 16,
  'test/compat/rtm-api.test.ts': 11,
  'test/integration/dev.test.ts': 10,
  'test/integration/cluster.test.ts': 10,
  'test/integration/cli.test.ts': 10,
  'test/integration/dev-lifecycle.test.ts': 10,
  'test/integration/journey.test.ts': 10,
  'test/simulation/mutations.test.ts': 9,
  'test/integration/faults.test.ts': 7,
  'test/conformance/append-log.test.ts': 6,
  'test/integration/bench-peers.test.ts': 5,
};

export class LongestFirst extends BaseSequencer {
  override sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const secondsAt = ({ moduleId }: TestSpecification) => secondsOf[relative(projectRoot(), moduleId)] ?? 0;
    const isPure = ({ project }: TestSpecification) => Number(project.name === 'pure');
    const compare = (a: TestSpecification, b: TestSpecification) =>
      secondsAt(b) - secondsAt(a) || isPure(a) - isPure(b) || (a.moduleId < b.moduleId ? -1 : 1);
    return Promise.resolve(files.toSorted(compare));
  }
}
