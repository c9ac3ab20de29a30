/**
 * What the harness is doing, on stderr: one line rewritten in place on a terminal. Anywhere else it is silent unless
 * plain lines are asked for, at most one a second: a log has no use for more, and stdout belongs to the result.
 */
import type { Clock } from '../platform/clock.ts';

export type Progress = {
  /** Replaces the line. */
  show(text: string): void;
  /** Removes the line, so that something else can be printed. */
  clear(): void;
};

/** `auto`: a live line on a terminal, else nothing. `plain`: lines, whatever it is. */
export const progressKinds = ['auto', 'plain', 'off'] as const;
export type ProgressKind = (typeof progressKinds)[number];

type Output = Pick<NodeJS.WriteStream, 'isTTY' | 'columns' | 'write'>;

const silentProgress: Progress = { show: () => undefined, clear: () => undefined };
const columnsDefault = 80;
const eraseLine = '\r\x1b[2K';
const plainEveryMs = 1_000;

export function openProgress(kind: ProgressKind, clock: Clock, output: Output = process.stderr): Progress {
  if (kind === 'plain') return plainProgress(clock, output);
  return kind === 'auto' && output.isTTY ? terminalProgress(output) : silentProgress;
}

function terminalProgress(output: Output): Progress {
  return {
    // Cut rather than wrapped: a wrapped line cannot be erased.
    show: (text) => void output.write(`${eraseLine}${text.slice(0, (output.columns ?? columnsDefault) - 1)}`),
    clear: () => void output.write(eraseLine),
  };
}

function plainProgress(clock: Clock, output: Output): Progress {
  let nextMs = 0;
  return {
    show(text) {
      const nowMs = clock.monotonicMs();
      if (nowMs < nextMs) return;
      nextMs = nowMs + plainEveryMs;
      output.write(`${text}\n`);
    },
    clear: () => undefined,
  };
}
