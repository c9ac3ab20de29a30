/** Where a server's binary is looked for. */
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { projectRoot } from '../../../platform/project-root.ts';
import { findServerBinary, serverBinaryPlaces } from '../../../platform/server-binary.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'belfry-binary-'));
  vi.stubEnv('PATH', ['', ...['a', 'b', 'c'].map((name) => join(folder, name))].join(delimiter));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

test('the PATH comes first, then /usr/sbin, then what the set-up unpacked; an empty part of the PATH is no place', () => {
  const unpacked = join(projectRoot(), '.tools/bin');
  const folders = [...['a', 'b', 'c'].map((name) => join(folder, name)), '/usr/sbin', unpacked];
  expect(serverBinaryPlaces('some-server')).toEqual(folders.map((one) => join(one, 'some-server')));
});

test('the first that may be run is taken', async () => {
  expect(findServerBinary('some-server')).toBeUndefined();
  for (const [name, mode] of [
    ['a', 0o644],
    ['b', 0o755],
    ['c', 0o755],
  ] as const) {
    await mkdir(join(folder, name));
    await writeFile(join(folder, name, 'some-server'), '');
    await chmod(join(folder, name, 'some-server'), mode);
  }
  expect(findServerBinary('some-server')).toBe(join(folder, 'b/some-server'));
});
