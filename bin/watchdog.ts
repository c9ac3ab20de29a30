/**
 * Ends a process that does not notice its supervisor's death. A tiny shell holds the other end of a pipe from us: when
 * we die, however we die, the pipe closes and the shell ends the process, after a moment for the roles to drain first.
 */
import { spawn } from 'node:child_process';

const script = `
cat >/dev/null
sleep 1
kill -TERM "$1" 2>/dev/null || exit 0
for tick in 1 2 3 4 5 6 7 8 9 10; do
  sleep 0.3
  kill -0 "$1" 2>/dev/null || exit 0
done
kill -KILL "$1" 2>/dev/null`;

/** Returns the way to dismiss it, for when the process has ended: its number may be another's soon. */
export function startWatchdog(pid: number): () => void {
  const dog = spawn('/bin/sh', ['-c', script, 'belfry-watchdog', String(pid)], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  dog.on('error', () => undefined);
  dog.stdin.on('error', () => undefined);
  return () => {
    if (dog.pid === undefined || dog.exitCode !== null || dog.signalCode !== null) return;
    // The whole group: the shell waits for a `cat` or a `sleep` of its own.
    process.kill(-dog.pid, 'SIGKILL');
  };
}
