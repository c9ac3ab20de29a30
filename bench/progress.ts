/**
 * One line that says what the harness is doing, rewritten in place on a terminal. Anywhere else it is silent: a log
 * has no use for it, and stdout belongs to the result.
 */
export type Progress = {
  /** Replaces the line. */
  show(text: string): void;
  /** Removes the line, so that something else can be printed. */
  clear(): void;
};

export const silentProgress: Progress = { show: () => undefined, clear: () => undefined };

const columnsDefault = 80;
const eraseLine = '\r\x1b[2K';

export function terminalProgress(stream: NodeJS.WriteStream = process.stderr): Progress {
  if (!stream.isTTY) return silentProgress;
  return {
    // Cut rather than wrapped: a wrapped line cannot be erased.
    show: (text) => void stream.write(`${eraseLine}${text.slice(0, (stream.columns ?? columnsDefault) - 1)}`),
    clear: () => void stream.write(eraseLine),
  };
}
