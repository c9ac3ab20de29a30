/**
 * The way to one load process, here or on another machine: requests go in, answers come out, in order.
 *
 * B1  A process ends with stop(), and with whoever opened it.
 * B2  onEnd is told once, of an end that nobody asked for too.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A call's name, what it takes and what it answers. */
export type LoadContract = { readonly [method: string]: { readonly params: unknown; readonly result: unknown } };
export type LoadRequest = { readonly id: number; readonly method: string; readonly params: unknown };
export type LoadAnswer =
  | { readonly id: number; readonly ok: true; readonly result: unknown }
  | { readonly id: number; readonly ok: false; readonly error: string };

export type LoadPortHandlers = {
  readonly onAnswer: (answer: LoadAnswer) => void;
  readonly onEnd: (why: string) => void;
};

export type LoadPort = {
  /** 0 where it is not on this machine. */
  readonly pid: number;
  send(request: LoadRequest): void;
  stop(): Promise<void>;
};

/** Load processes are not to be profiled or inspected with the harness. */
const execArgv: string[] = ['--enable-source-maps'];

/** The file `name` (from this folder, without its ending), compiled or as source. */
export function loadFile(name: string): string {
  return fileURLToPath(new URL(`${name}${extname(import.meta.url)}`, import.meta.url));
}

/** A process of our own. */
export function forkLoad(name: string, { onAnswer, onEnd }: LoadPortHandlers): LoadPort {
  // A group of its own would outlive Ctrl-C; in ours it gets the signal too, and ignores it.
  const child = fork(loadFile(name), [], {
    serialization: 'advanced',
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    execArgv,
  });
  const isGone = () => child.exitCode !== null || child.signalCode !== null;
  child.on('message', (answer) => onAnswer(answer as LoadAnswer));
  child.on('error', (cause) => onEnd(`load process failed: ${cause.message}`));
  child.on('exit', (code, why) => onEnd(`load process ended (${why ?? code})`));
  return {
    pid: child.pid ?? 0,
    send(request) {
      // What could not be sent is told by the end of the process.
      if (!isGone()) child.send(request, () => undefined);
    },
    async stop() {
      if (isGone()) return;
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
  };
}
