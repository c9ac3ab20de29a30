/**
 * Whether a process written down earlier still runs. A number alone does not say: the system gives it out again. Where
 * /proc tells when a process began, number and beginning together name one life; elsewhere the number must do.
 */
import { readFileSync } from 'node:fs';

export type ProcessIdentity = { readonly pid: number; readonly began: string };

/** What /proc/PID/stat counts, after the name in brackets: the state is field 3, the start time field 22. */
const stateField = 3;
const beganField = 22;
const firstFieldAfterName = 3;

export function identify(pid: number): ProcessIdentity {
  return { pid, began: statField(pid, beganField) ?? '' };
}

export function isAlive(identity: ProcessIdentity): boolean {
  if (!answersSignals(identity.pid)) return false;
  const state = statField(identity.pid, stateField);
  if (state === undefined) return process.platform !== 'linux';
  // A zombie has ended; only its parent has not noticed.
  return state !== 'Z' && (identity.began === '' || statField(identity.pid, beganField) === identity.began);
}

function answersSignals(pid: number): boolean {
  // 0 and below would name process groups.
  if (pid <= 0) return false;
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function statField(pid: number, field: number): string | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const afterName = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return afterName[field - firstFieldAfterName];
  } catch {
    return undefined;
  }
}
