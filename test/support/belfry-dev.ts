/**
 * A `belfry dev` for tests: real processes from dist/ on free ports, a data folder of its own.
 *
 * B1  stop() ends it as Ctrl-C does and waits until every process is gone; a folder made here goes too.
 * B2  The broker refused nobody anything, or stop() rejects: nats.conf lets every role do what it does.
 * B3  Whatever happens to the test process, nothing of it stays: its processes end when their supervisor does.
 */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readDevFile, type DevFile } from '../../bin/dev-file.ts';
import { identify, isAlive, type ProcessIdentity } from '../../bin/process-identity.ts';
import { spawnBelfry, type CliRun } from './belfry-cli.ts';
import { findNatsServer } from './nats-server.ts';
import { until } from './until.ts';

export interface BelfryDevOptions {
  readonly workers?: number;
  readonly gateways?: number;
  readonly webapps?: number;
  /** Absent: a new folder, removed by stop(). */
  readonly data?: string;
  /** More flags. */
  readonly args?: readonly string[];
}

export interface BelfryDev {
  /** dev.json as it is now; as it was last, while there is none. */
  readonly file: DevFile;
  readonly data: string;
  readonly run: CliRun;
  /** Every process of it that is listed now, the supervisor included. */
  processes(): ProcessIdentity[];
  /** Ctrl-C, unless told otherwise; gives the exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

const startMs = 60_000;
const goneMs = 20_000;

/** Resolves when it is ready. @throws Error with what it printed, when it ends instead. */
export async function startBelfryDev(options: BelfryDevOptions = {}): Promise<BelfryDev> {
  const data = options.data ?? (await mkdtemp(join(tmpdir(), 'belfry-dev-')));
  const run = spawnBelfry(['dev', ...flagsOf(options), '--data', data]);
  let last = await whenReady(run, data);
  const current = () => (last = readDevFile(data) ?? last);
  const processes = () => [run.child.pid ?? 0, ...current().processes.map(({ pid }) => pid)].map(identify);
  return {
    data,
    run,
    get file() {
      return current();
    },
    processes,
    async stop(signal = 'SIGINT') {
      const before = processes();
      run.child.kill(signal);
      const { code } = await run.ended;
      await until('every process to end', () => !before.some(isAlive), goneMs);
      const refused = await refusedByBroker(data);
      if (options.data === undefined) await rm(data, { recursive: true, force: true });
      if (refused.length > 0) throw new Error(`the broker refused:\n${refused.join('\n')}`);
      return code;
    },
  };
}

function flagsOf({ workers, gateways, webapps, args = [] }: BelfryDevOptions): string[] {
  const counts = Object.entries({ workers, gateways, webapps }).flatMap(([name, count]) =>
    count === undefined ? [] : [`--${name}`, String(count)],
  );
  return ['--port', '0', '--nats-server', findNatsServer(), ...counts, ...args];
}

/** B2 */
async function refusedByBroker(data: string): Promise<string[]> {
  const folder = join(data, 'nats');
  const names = (await readdir(folder)).filter((name) => name.endsWith('.log'));
  const logs = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
  return logs.flatMap((log) => log.split('\n').filter((line) => line.includes('Violation')));
}

async function whenReady(run: CliRun, data: string): Promise<DevFile> {
  const ready = until('belfry dev to be ready', () => /^ready /m.test(run.stdout()) && readDevFile(data), startMs);
  const ended = run.ended.then(({ code }) => {
    throw new Error(`belfry dev ended with ${code} before it was ready:\n${run.stderr()}`);
  });
  ended.catch(() => undefined);
  try {
    return await Promise.race([ready, ended]);
  } catch (error) {
    run.child.kill('SIGKILL');
    ready.catch(() => undefined);
    throw error instanceof Error ? new Error(`${error.message}\n${run.stderr()}`, { cause: error }) : error;
  }
}
