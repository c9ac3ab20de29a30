/**
 * Where the servers are that Belfry runs (nats-server, a peer's redis-server), in the order of scripts/setup.sh: on the
 * PATH, in /usr/sbin, or where that script unpacked them.
 */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { projectRoot } from './project-root.ts';

/** Paths at which the binary may be, best first. */
export function serverBinaryPlaces(name: string): string[] {
  const onPath = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  return [...onPath, '/usr/sbin', join(projectRoot(), '.tools/bin')].map((folder) => join(folder, name));
}

/** The first of them that may be run; undefined when there is none. */
export function findServerBinary(name: string): string | undefined {
  return serverBinaryPlaces(name).find(isExecutable);
}

export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
