/** The built `belfry` command as a user runs it: its exit code and what it printed. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { projectRoot } from '../../platform/project-root.ts';

export const belfryBinary = join(projectRoot(), 'dist/bin/belfry.js');

export interface CliRun {
  readonly child: ChildProcess;
  stdout(): string;
  stderr(): string;
  /** Resolves at its end, when all that it printed is here. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
}

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts it without waiting. It dies with the test process. Options in our own environment do not reach it. */
export function spawnBelfry(args: readonly string[], env: Readonly<Record<string, string>> = {}): CliRun {
  const plain = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('BELFRY_')));
  const child = spawn(process.execPath, [belfryBinary, ...args], {
    env: { ...plain, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const killWithTest = () => void child.kill('SIGKILL');
  process.once('exit', killWithTest);
  const [out, err] = [collect(child, 'stdout'), collect(child, 'stderr')];
  const ended = once(child, 'close').then(([code, signal]) => {
    process.removeListener('exit', killWithTest);
    return { code: code as number | null, signal: signal as NodeJS.Signals | null };
  });
  return { child, stdout: out, stderr: err, ended };
}

/** Runs it to its end. */
export async function runBelfry(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<CliResult> {
  const run = spawnBelfry(args, env);
  const { code } = await run.ended;
  return { code, stdout: run.stdout(), stderr: run.stderr() };
}

function collect(child: ChildProcess, name: 'stdout' | 'stderr'): () => string {
  let text = '';
  child[name]?.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  return () => text;
}
