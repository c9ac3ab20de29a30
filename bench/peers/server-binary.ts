/** Where the servers of the peers are: on the PATH, in /usr/sbin, or where scripts/setup.sh unpacked them, in that order. */
import { accessSync, constants } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { loadFile } from '../load-port.ts';

/** Undefined when there is none. */
export function findServerBinary(name: string, searchPath = process.env['PATH'] ?? ''): string | undefined {
  const onPath = searchPath.split(delimiter).filter((folder) => folder !== '');
  const unpacked = ancestorsOf(loadFile('.')).map((folder) => join(folder, '.tools/bin'));
  return [...onPath, '/usr/sbin', ...unpacked].map((folder) => join(folder, name)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function ancestorsOf(path: string): string[] {
  const parent = dirname(path);
  return parent === path ? [] : [parent, ...ancestorsOf(parent)];
}
