/**
 * The nats-server to run: the one that was named, or the first new enough one in the order of scripts/setup.sh (PATH,
 * /usr/sbin, .tools). Older ones are refused: their compare-and-set is not safe, or slower.
 */
import { execFile } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { atLeast, NATS_VERSION_MIN } from '../broker/nats-dial.ts';
import { UsageError } from '../platform/config.ts';

const versionTimeoutMs = 10_000;

export type NatsServerBinary = { readonly path: string; readonly version: string };

export type NatsServerPlaces = {
  /** What the operator named; nothing else will do then. */
  readonly named: string | undefined;
  readonly searchPath: string;
  /** Where this installation keeps its tools. */
  readonly root: string;
};

/** @throws UsageError when there is none, or only ones that are too old. */
export async function findNatsServer(places: NatsServerPlaces): Promise<NatsServerBinary> {
  const tooOld: string[] = [];
  for (const path of candidates(places)) {
    const version = await versionOf(path);
    if (version === undefined) continue;
    if (atLeast(version, NATS_VERSION_MIN)) return { path, version };
    tooOld.push(`${path} is ${version}`);
  }
  throw new UsageError(complaint(places.named, tooOld));
}

function candidates(places: NatsServerPlaces): string[] {
  if (places.named !== undefined) return [places.named];
  const onPath = places.searchPath.split(delimiter).filter((folder) => folder !== '');
  return [...onPath, '/usr/sbin', join(places.root, '.tools/bin')].map((folder) => join(folder, 'nats-server'));
}

function complaint(named: string | undefined, tooOld: readonly string[]): string {
  if (tooOld.length > 0) return `nats-server ${NATS_VERSION_MIN} or newer is needed; ${tooOld.join(', ')}`;
  if (named !== undefined) return `--nats-server ${named} is not a nats-server that runs here`;
  return `no nats-server ${NATS_VERSION_MIN} or newer is here: run ./scripts/setup.sh, or name one with --nats-server PATH`;
}

/** Undefined for what is not there, does not run, or is something else. */
async function versionOf(path: string): Promise<string | undefined> {
  try {
    await access(path, constants.X_OK);
    const { stdout } = await promisify(execFile)(path, ['--version'], { timeout: versionTimeoutMs });
    return /^nats-server: v?(\d+\.\d+\.\d+)/.exec(stdout)?.[1];
  } catch {
    return undefined;
  }
}
