/**
 * Where this installation lives. Compiled files are one level deeper than their source, so nothing counts `..`: the
 * root is the nearest folder upwards whose package.json names this project.
 */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { assert } from './assert.ts';

type Package = { readonly name: string; readonly version: string };

let found: { readonly root: string; readonly version: string } | undefined;

/** The folder that holds package.json and nats.conf. */
export function projectRoot(): string {
  found ??= search(import.meta.dirname);
  return found.root;
}

/** The release, as package.json states it. */
export function projectVersion(): string {
  found ??= search(import.meta.dirname);
  return found.version;
}

function search(from: string): { root: string; version: string } {
  for (let folder = from; ; folder = dirname(folder)) {
    const file = readPackage(join(folder, 'package.json'));
    if (file?.name === 'belfry') return { root: folder, version: file.version };
    assert(dirname(folder) !== folder, 'project-root/package-json-found', { from });
  }
}

function readPackage(path: string): Package | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Package;
  } catch {
    return undefined;
  }
}
