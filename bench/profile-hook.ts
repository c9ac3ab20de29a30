/**
 * Loaded into every role when the harness profiles (`--import`, see profiler.ts): the first SIGUSR2 starts V8's
 * sampling profiler, the second writes <role>-<pid>.cpuprofile. So a profile covers the measured stretch and no start-up.
 */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { join } from 'node:path';

/** `?into=` of the URL that we were imported by: the roles get none of the harness's variables. */
const folder = new URL(import.meta.url).searchParams.get('into');
/** `belfry ROLE`: the role is the first argument. */
const role = process.argv[2] ?? 'node';
const samplingIntervalUs = 500;

let session: Session | undefined;

if (folder !== null) process.on('SIGUSR2', () => void (session === undefined ? begin() : finish(session, folder)));

async function begin(): Promise<void> {
  session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.setSamplingInterval', { interval: samplingIntervalUs });
  await session.post('Profiler.start');
}

async function finish(running: Session, into: string): Promise<void> {
  session = undefined;
  const { profile } = await running.post('Profiler.stop');
  running.disconnect();
  mkdirSync(into, { recursive: true });
  const path = join(into, `${role}-${process.pid}.cpuprofile`);
  // Renamed into place: who waits for the file finds it whole.
  writeFileSync(`${path}.tmp`, JSON.stringify(profile));
  renameSync(`${path}.tmp`, path);
}
