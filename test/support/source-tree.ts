/** The files of the repository as tests read them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SourceFile } from './source-rules.ts';

/** Of those folders that are there, with everything below them. */
export function filesUnder(folders: readonly string[], ending: string): SourceFile[] {
  const present = new Set(readdirSync('.'));
  return folders
    .filter((folder) => present.has(folder))
    .flatMap((folder) => readdirSync(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && entry.name.endsWith(ending))
    .map((entry) => readSource(join(entry.parentPath, entry.name)));
}

export function readSource(path: string): SourceFile {
  return { path: path.replaceAll('\\', '/'), text: readFileSync(path, 'utf8') };
}
