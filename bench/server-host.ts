/**
 * A load process that runs a server's binary (nats-server, redis-server) and takes it down with itself: those do
 * not notice when the harness is killed, but this process does (load-server.ts).
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { serveLoad } from './load-server.ts';

export type ServerHost = {
  /** Resolves with its process id once it has said `readyText`. */
  readonly start: {
    readonly params: {
      readonly path: string;
      readonly args: readonly string[];
      readonly env: Readonly<Record<string, string>>;
      readonly readyText: string;
    };
    readonly result: { readonly pid: number };
  };
  /** Resolves when it is gone. */
  readonly stop: { readonly params: null; readonly result: null };
};

const saidCharsMax = 65_536;
let child: ChildProcess | undefined;

process.on('exit', () => void child?.kill('SIGKILL'));
serveLoad<ServerHost>({
  async start({ path, args, env, readyText }) {
    child = spawn(path, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
    await untilSaid(child, path, readyText);
    return { pid: child.pid ?? 0 };
  },
  async stop() {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return null;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
    return null;
  },
});

function untilSaid(server: ChildProcess, path: string, readyText: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = '';
    const take = (text: string): void => {
      said = (said + text).slice(-saidCharsMax);
      if (said.includes(readyText)) resolve();
    };
    for (const stream of [server.stdout, server.stderr]) stream?.setEncoding('utf8').on('data', take);
    server.on('error', reject);
    server.on('exit', (code) =>
      reject(new Error(`${path} ended with ${code}: ${said.trim().split('\n').at(-1) ?? ''}`)),
    );
  });
}
