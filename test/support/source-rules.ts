/**
 * The rules of the source tree as pure functions: a file's path and text in, broken rules out. DESIGN section 3 has
 * the arrows, STYLE the rest. test/unit/architecture.test.ts runs them on the tree, and on samples that break them.
 *
 * Imports and code are read with regular expressions, after comments are blanked out: TypeScript 7 has no parser that
 * a program can call, and the tools that need one report success on what they could not read.
 */

export type SourceFile = { path: string; text: string };
export type Breach = { path: string; rule: string; detail: string };

const below = {
  platform: [],
  protocol: ['platform'],
  broker: ['platform', 'protocol'],
  cluster: ['platform', 'protocol', 'broker'],
  actors: ['platform', 'protocol', 'broker', 'cluster'],
  webapp: ['platform', 'protocol', 'broker', 'cluster', 'actors'],
  transport: ['platform', 'protocol', 'broker', 'cluster', 'actors'],
  client: ['protocol'],
  bench: ['platform', 'protocol', 'broker', 'cluster', 'actors', 'webapp', 'transport', 'client'],
  bin: ['platform', 'protocol', 'broker', 'cluster', 'actors', 'webapp', 'transport', 'client', 'bench'],
} as const satisfies Record<string, readonly string[]>;

export const sourceFolders: readonly string[] = Object.keys(below);
/** Where the implementation of the broker may be chosen, or looked into. */
const knowsNats = new Set(['broker', 'bin', 'bench', 'test']);
/** Packages with a door: the folders that may import them, what begins with the name included. Tests may, too. */
const doors: ReadonlyArray<readonly [name: string, folders: readonly string[]]> = [
  ['@nats-io/', ['broker', 'bench']],
  ['uWebSockets.js', ['transport']],
];
/** Where time and randomness may come from the runtime itself. */
const ownsTime = new Set(['platform', 'bench', 'test']);
const linesMax = 400;
/** Where tests may let time pass by itself: what implements waiting, and loads, faults and clocks whose matter it is. */
const maySleep = new Set([
  'test/support/until.ts',
  'test/support/gateway-lab.ts',
  'test/support/nats-server.ts',
  'test/support/roaming-client.ts',
  'test/support/tcp-proxy.ts',
  'test/chaos/chaos-run.ts',
  'test/chaos/faults.ts',
  'test/chaos/http-poster.ts',
  'test/chaos/rtm-client.ts',
  'test/chaos/rtm-poster.ts',
  'test/unit/platform/clock.test.ts',
]);

/** Everything that is wrong with one file. */
export function breachesOf(file: SourceFile): Breach[] {
  const code = withoutComments(file.text);
  return [
    ...importBreaches(file.path, code),
    ...timeBreaches(file.path, code),
    ...shapeBreaches(file, code),
    ...testBreaches(file.path, code),
  ];
}

/** The specifiers of all imports and re-exports, static and dynamic. */
export function importsOf(code: string): string[] {
  const patterns = [
    /^[ \t]*(?:import|export)\s[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]/gm,
    /^[ \t]*import\s*['"]([^'"]+)['"]/gm,
    /\b(?:import|require)\s*\(\s*['"`]([^'"`]+)['"`]/g,
  ];
  return patterns.flatMap((pattern) => [...code.matchAll(pattern)].map((match) => match[1] ?? ''));
}

/** Blanks comments out and keeps the lines. A `//` counts where no URL has one: at the start of a word. */
export function withoutComments(text: string): string {
  const blank = (comment: string): string => comment.replaceAll(/[^\n]/g, ' ');
  return text.replaceAll(/\/\*[\s\S]*?\*\//g, blank).replaceAll(/(?<=^|[\s;{}(),])\/\/.*$/gm, blank);
}

/** What a lock file must not hold: where packages were fetched from. Funding links are not that. */
export function lockBreaches(path: string, text: string): Breach[] {
  const lock = JSON.parse(text) as { packages: Record<string, Record<string, unknown>> };
  return Object.entries(lock.packages).flatMap(([name, entry]) => {
    const fetched = Object.entries(entry).filter(
      ([key, value]) => key !== 'funding' && /:\/\//.test(JSON.stringify(value)),
    );
    return fetched.map(([key]) => ({ path, rule: 'no-registry-host', detail: `${name} ${key}` }));
  });
}

function importBreaches(path: string, code: string): Breach[] {
  const from = folderOf(path);
  const breaches: Breach[] = [];
  for (const specifier of importsOf(code)) {
    if (!specifier.startsWith('.')) {
      if (!mayUse(path, specifier)) breaches.push({ path, rule: 'package-has-a-door', detail: specifier });
      continue;
    }
    const target = resolveFrom(path, specifier);
    const to = folderOf(target);
    if (!mayImport(from, to)) breaches.push({ path, rule: 'import-arrow', detail: `${from} -> ${to} (${specifier})` });
    if (target.endsWith('broker/nats-broker.ts') && !isTest(path) && !knowsNats.has(from)) {
      breaches.push({ path, rule: 'nats-broker-is-chosen-in-bin', detail: specifier });
    }
    if (!/\.(ts|json)$/.test(specifier)) breaches.push({ path, rule: 'import-extension', detail: specifier });
  }
  return breaches;
}

function mayUse(path: string, specifier: string): boolean {
  return (
    isTest(path) || doors.every(([name, folders]) => !specifier.startsWith(name) || folders.includes(folderOf(path)))
  );
}

function mayImport(from: string, to: string): boolean {
  if (from === to || from === 'test' || !(from in below)) return true;
  // A test beside its source may use the helpers under test/.
  if (to === 'test') return false;
  return (below[from as keyof typeof below] as readonly string[]).includes(to);
}

const timePatterns: ReadonlyArray<readonly [string, RegExp]> = [
  ['Date.now', /\bDate\s*\.\s*now\b/],
  ['new Date()', /\bnew\s+Date\s*\(\s*\)/],
  ['performance.now', /\bperformance\s*\.\s*now\b/],
  ['setTimeout', /(?<![.\w#])setTimeout\s*\((?!\s*\w+\s*:)|\bglobalThis\s*\.\s*setTimeout\b/],
  ['setInterval', /(?<![.\w#])setInterval\s*\((?!\s*\w+\s*:)|\bglobalThis\s*\.\s*setInterval\b/],
  ['node:timers', /['"](?:node:)?timers(?:\/promises)?['"]/],
  ['Math.random', /\bMath\s*\.\s*random\b/],
];

function timeBreaches(path: string, code: string): Breach[] {
  if (ownsTime.has(folderOf(path)) || isTest(path)) return [];
  return timePatterns
    .filter(([, pattern]) => pattern.test(code))
    .map(([detail]) => ({ path, rule: 'time-and-chance-are-injected', detail }));
}

function shapeBreaches({ path, text }: SourceFile, code: string): Breach[] {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const lines = text.trimEnd().split('\n').length;
  const isConfig = name.endsWith('.config.ts');
  const checks: ReadonlyArray<readonly [boolean, string, string]> = [
    [!/^[a-z0-9]+(-[a-z0-9]+)*(\.(test|config))?\.ts$/.test(name), 'kebab-case-name', name],
    [name === 'index.ts' || isBarrel(code), 'no-barrel', name],
    [/^(utils?|helpers?|misc|common)\.ts$/.test(name), 'one-noun-per-file', name],
    [lines > linesMax, 'file-length', `${lines} lines, at most ${linesMax}`],
    [!isConfig && /^\s*export\s+default\b|\bas\s+default\b/m.test(code), 'no-default-export', name],
    [/^\s*(?:export\s+)?(?:declare\s+)?(?:const\s+)?enum\s+\w/m.test(code), 'no-enum', name],
    [!isTest(path) && !/^(#!.*\n)?\/\*\*/.test(text), 'opens-with-its-purpose', name],
  ];
  return checks.filter(([broken]) => broken).map(([, rule, detail]) => ({ path, rule, detail }));
}

/** A file that only passes on what others export. */
function isBarrel(code: string): boolean {
  const rest = code.replaceAll(/^\s*export\s[^'"`;]*?\bfrom\s*['"][^'"]+['"];?/gm, '');
  return rest.trim() === '' && code.trim() !== '';
}

const sleepPatterns: ReadonlyArray<readonly [string, RegExp]> = [
  ['timers/promises', /\bimport\s*\{[^}]*\bsetTimeout\b[^}]*\}\s*from\s*['"](?:node:)?timers\/promises['"]/],
  ['a promise of a timer', /\bnew\s+Promise\b[^;]*?=>\s*\{?\s*(?:void\s+)?setTimeout\s*\(/],
  ['the clock itself', /\bsystemClock\s*\.\s*sleep\b/],
  ['until a time', /\buntil\s*\(\s*(['"`]).*?\1\s*,\s*\(\)\s*=>\s*(?:performance\s*\.\s*now|Date\s*\.\s*now)\s*\(/],
];

function testBreaches(path: string, code: string): Breach[] {
  if (!isTest(path)) return [];
  const found = /\b(?:it|test|describe|suite)(?:\.\w+)*\.(?:skip|only|todo)\b|\bx(?:it|describe)\s*\(/.exec(code);
  const leftOut = found === null ? [] : [{ path, rule: 'no-test-is-left-out', detail: found[0] }];
  const slept = maySleep.has(path) ? [] : sleepPatterns.filter(([, pattern]) => pattern.test(code));
  return [...leftOut, ...slept.map(([detail]) => ({ path, rule: 'tests-do-not-sleep', detail }))];
}

function isTest(path: string): boolean {
  return folderOf(path) === 'test' || path.endsWith('.test.ts');
}

function folderOf(path: string): string {
  const end = path.indexOf('/');
  return end === -1 ? '' : path.slice(0, end);
}

function resolveFrom(path: string, specifier: string): string {
  const parts = path.split('/').slice(0, -1);
  for (const part of specifier.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '.') parts.push(part);
  }
  return parts.join('/');
}
