/**
 * Holds the arrows between folders (DESIGN section 3) and the rules of style that a program can check.
 * Every rule is also tried on a sample that breaks it: a checker that finds nothing proves nothing.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { breachesOf, importsOf, lockBreaches, sourceFolders, withoutComments } from '../support/source-rules.ts';
import type { Breach } from '../support/source-rules.ts';
import { filesUnder, readSource } from '../support/source-tree.ts';

/** Its samples break the rules on purpose. */
const self = 'test/unit/architecture.test.ts';

describe('the source tree', () => {
  it('keeps the arrows, the names, the lengths and the rest of the style', () => {
    const files = filesUnder([...sourceFolders, 'test'], '.ts').filter((file) => file.path !== self);
    expect(files.length).toBeGreaterThan(10);
    expect(files.flatMap(breachesOf).map(describeBreach)).toEqual([]);
  });

  it('says nowhere where packages are fetched from', () => {
    expect(lockBreaches('package-lock.json', readFileSync('package-lock.json', 'utf8'))).toEqual([]);
    const texts = [...filesUnder(['scripts', '.ci'], ''), ...['.npmrc', 'package.json'].map(readSource)];
    for (const file of texts) expect(file.text, file.path).not.toMatch(/\bregistry\s*=|https?:\/\/[^\s"']*registry/);
  });
});

describe('the rule', () => {
  it.each<[string, string, string, string]>([
    ['import-arrow', 'platform on protocol', 'platform/clock.ts', `import { x } from '../protocol/ids.ts';`],
    ['import-arrow', 'protocol on broker', 'protocol/ids.ts', `import type { X } from '../broker/broker.ts';`],
    ['import-arrow', 'broker on cluster', 'broker/broker.ts', `export { x } from '../cluster/slots.ts';`],
    ['import-arrow', 'cluster on actors', 'cluster/slots.ts', `const x = await import('../actors/kernel.ts');`],
    ['import-arrow', 'actors on webapp', 'actors/kernel.ts', `import {\n  a,\n  b,\n} from '../webapp/auth.ts';`],
    ['import-arrow', 'webapp on transport', 'webapp/auth.ts', `import '../transport/http.ts';`],
    ['import-arrow', 'transport on webapp', 'transport/http.ts', `import * as api from '../webapp/api.ts';`],
    ['import-arrow', 'client on platform', 'client/client.ts', `import { x } from '../platform/clock.ts';`],
    ['import-arrow', 'bench on bin', 'bench/append.ts', `import { x } from '../bin/dev.ts';`],
    ['import-arrow', 'source on test', 'actors/kernel.ts', `import { x } from '../test/support/x.ts';`],
    ['import-arrow', 'a nested folder', 'protocol/a/b.ts', `import { x } from '../../actors/kernel.ts';`],
    ['nats-broker-is-chosen-in-bin', 'actors', 'actors/kernel.ts', `import { x } from '../broker/nats-broker.ts';`],
    ['package-has-a-door', 'NATS in bin', 'bin/status.ts', `import { connect } from '@nats-io/transport-node';`],
    [
      'package-has-a-door',
      'its types in cluster',
      'cluster/a.ts',
      `import type { Msg } from '@nats-io/transport-node';`,
    ],
    ['package-has-a-door', 'uWS in webapp', 'webapp/a.ts', `import type { HttpResponse } from 'uWebSockets.js';`],
    ['package-has-a-door', 'uWS in a peer', 'bench/peers/a.ts', `const uws = await import('uWebSockets.js');`],
    ['package-has-a-door', 'uWS in broker', 'broker/a.ts', `import 'uWebSockets.js';`],
    ['import-extension', 'none given', 'actors/kernel.ts', `import { x } from './mailbox';`],
    ['time-and-chance-are-injected', 'Date.now', 'actors/kernel.ts', 'const at = Date.now();'],
    ['time-and-chance-are-injected', 'new Date', 'webapp/auth.ts', 'const at = new Date();'],
    ['time-and-chance-are-injected', 'performance', 'broker/a.ts', 'const at = performance.now();'],
    ['time-and-chance-are-injected', 'setTimeout', 'bin/dev.ts', 'setTimeout(() => stop(), 10);'],
    ['time-and-chance-are-injected', 'globalThis', 'bin/dev.ts', 'globalThis.setTimeout(stop, 10);'],
    ['time-and-chance-are-injected', 'setInterval', 'cluster/a.ts', 'const beat = setInterval(run, 1);'],
    [
      'time-and-chance-are-injected',
      'timers',
      'cluster/a.ts',
      `import { setTimeout as wait } from 'node:timers/promises';`,
    ],
    ['time-and-chance-are-injected', 'Math.random', 'client/a.ts', 'const jitter = Math.random();'],
    ['kebab-case-name', 'camel case', 'actors/channelActor.ts', 'export const x = 1;'],
    ['no-barrel', 'by name', 'actors/index.ts', 'export const x = 1;'],
    ['no-barrel', 'by content', 'actors/all.ts', `export * from './a.ts';\nexport { b } from './b.ts';`],
    ['one-noun-per-file', 'utils', 'actors/utils.ts', 'export const x = 1;'],
    ['file-length', '401 lines', 'actors/a.ts', 'x();\n'.repeat(401)],
    ['no-default-export', 'a function', 'actors/a.ts', 'export default function a() {}'],
    ['no-default-export', 'by name', 'actors/a.ts', 'export { a as default };'],
    ['no-enum', 'an enum', 'actors/a.ts', 'export enum A { B }'],
    ['no-enum', 'a const enum', 'actors/a.ts', 'const enum A { B }'],
    ['opens-with-its-purpose', 'no header', 'actors/a.ts', 'export const x = 1;'],
    [
      'tests-do-not-sleep',
      'a wait',
      'test/integration/a.test.ts',
      `import { setTimeout as wait } from 'node:timers/promises';`,
    ],
    ['tests-do-not-sleep', 'a timer', 'test/a.test.ts', 'await new Promise((resolve) => setTimeout(resolve, 50));'],
    ['tests-do-not-sleep', 'a clock', 'test/support/x.ts', 'await systemClock.sleep(100);'],
    ['tests-do-not-sleep', 'a time', 'test/a.test.ts', `await until('it', () => performance.now() > endMs);`],
    ['no-test-is-left-out', 'skip', 'test/unit/a.test.ts', `it.skip('x', () => {});`],
    ['no-test-is-left-out', 'only', 'actors/a.test.ts', `describe.only('x', () => {});`],
    ['no-test-is-left-out', 'todo', 'test/unit/a.test.ts', `it.concurrent.todo('x');`],
  ])('%s finds %s', (rule, _, path, text) => {
    expect(breachesOf({ path, text }).map((breach) => breach.rule)).toContain(rule);
  });

  it.each<[string, string, string]>([
    [
      'what is below',
      'actors/kernel.ts',
      `import { x } from '../cluster/slots.ts';\nimport { y } from './mailbox.ts';`,
    ],
    ['packages', 'platform/logger.ts', `import { pino } from 'pino';`],
    ['NATS at its door', 'broker/nats-a.ts', `import { Kvm } from '@nats-io/kv';`],
    ['NATS under load', 'bench/append-load.ts', `import { jetstream } from '@nats-io/jetstream';`],
    ['uWS at its door', 'transport/uws.ts', `const uws = await import('uWebSockets.js');`],
    ['NATS in tests', 'test/integration/a.test.ts', `import { connect } from '@nats-io/transport-node';`],
    [
      'the composition root',
      'bin/dev.ts',
      `import { x } from '../broker/nats-broker.ts';\nimport '../bench/append.ts';`,
    ],
    ['tests', 'test/integration/a.test.ts', `import { x } from '../../broker/nats-broker.ts';\nsetTimeout(run, 1);`],
    ['turns', 'test/a.test.ts', `import { setImmediate as nextTurn } from 'node:timers/promises';`],
    ['the support of waiting', 'test/support/until.ts', `import { setTimeout } from 'node:timers/promises';`],
    ['injected timers', 'actors/kernel.ts', 'const timer = clock.setTimeout(run, 10); this.#setTimeout(run);'],
    ['declared timers', 'cluster/a.ts', 'type Timers = { setTimeout(run: () => void, delayMs: number): Timer };'],
    ['a named time', 'webapp/a.ts', 'const at = new Date(wallMs).toISOString();'],
    ['comments', 'actors/a.ts', `// Never Date.now() here.\n/* import { x } from '../bin/dev.ts'; */`],
    ['a line with a URL', 'actors/a.ts', `const url = 'http://127.0.0.1/';`],
    ['platform itself', 'platform/clock.ts', 'const at = Date.now(); setTimeout(run, 1);'],
  ])('lets %s pass', (_, path, text) => {
    expect(breachesOf({ path, text: `/** Purpose. */\n${text}\nrun();\n` })).toEqual([]);
  });

  it('finds the sources of packages in a lock, and leaves funding links alone', () => {
    const packages = {
      'node_modules/a': { resolved: 'https://host/a.tgz' },
      'node_modules/b': { funding: { url: 'https://b' } },
    };
    const found = lockBreaches('package-lock.json', JSON.stringify({ packages }));
    expect(found.map((breach) => breach.detail)).toEqual(['node_modules/a resolved']);
  });
});

describe('the reading of code', () => {
  it('finds every form of import, in order of form', () => {
    const code = `import a from 'a';\nimport type { B } from "b";\nexport * from './c.ts';\nimport './d.ts';\nvoid import('./e.ts');`;
    expect(importsOf(code)).toEqual(['a', 'b', './c.ts', './d.ts', './e.ts']);
  });

  it('blanks comments out and keeps every line where it was', () => {
    const text = `a(); // one\n/* two\n three */ b('http://x');`;
    const code = withoutComments(text);
    expect(code.split('\n').map((line) => line.trim())).toEqual(['a();', '', `b('http://x');`]);
  });
});

function describeBreach(breach: Breach): string {
  return `${breach.path}: ${breach.rule}: ${breach.detail}`;
}
