/**
 * The nats-server to run: the one that was named, or the first new enough one in the order of scripts/setup.sh (PATH,
 * /usr/sbin, .tools). Older ones are refused: their compare-and-set is not safe, or slower.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { atLeast, NATS_VERSION_MIN } from './nats-dial.ts';
import { UsageError } from '../platform/config.ts';
import { isExecutable, serverBinaryPlaces } from '../platform/server-binary.ts';

const versionTimeoutMs = 10_000;

export type NatsServerBinary = { readonly path: string; readonly version: string };

/**
 * `named`: by the operator; nothing else will do then.
 * @throws UsageError when there is none, or only ones that are too old.
 */
export async function findNatsServer(named: string | undefined): Promise<NatsServerBinary> {
  const tooOld: string[] = [];
  for (const path of named === undefined ? serverBinaryPlaces('nats-server') : [named]) {
    const version = await versionOf(path);
    if (version === undefined) continue;
    if (atLeast(version, NATS_VERSION_MIN)) return { path, version };
    tooOld.push(`${path} is ${version}`);
  }
  throw new UsageError(complaint(named, tooOld));
}

function complaint(named: string | undefined, tooOld: readonly string[]): string {
  if (tooOld.length > 0) return `nats-server ${NATS_VERSION_MIN} or newer is needed; ${tooOld.join(', ')}`;
  if (named !== undefined) return `--nats-server ${named} is not a nats-server that runs here`;
  return `no nats-server ${NATS_VERSION_MIN} or newer is here: run ./scripts/setup.sh, or name one with --nats-server PATH`;
}

/** Undefined for what is not there, does not run, or is something else. */
async function versionOf(path: string): Promise<string | undefined> {
  if (!isExecutable(path)) return undefined;
  try {
    const { stdout } = await promisify(execFile)(path, ['--version'], { timeout: versionTimeoutMs });
    return /^nats-server: v?(\d+\.\d+\.\d+)/.exec(stdout)?.[1];
  } catch {
    return undefined;
  }
}
