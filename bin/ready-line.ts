/**
 * The one line that a role prints on stdout, when it is ready: `belfry dev` and scripts read it. Everything else that a
 * role has to say goes to stderr.
 */
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';

export type ReadyReport = {
  readonly role: string;
  readonly id: string;
  readonly pid: number;
  /** The public port; 0 for a worker. */
  readonly port: number;
  readonly adminPort: number;
};

export function readyLine(report: ReadyReport): string {
  return `${JSON.stringify({ ready: report })}\n`;
}

/** Undefined for any other line. */
export function parseReadyLine(line: string): ReadyReport | undefined {
  try {
    const { ready } = JSON.parse(line) as { ready?: Partial<ReadyReport> };
    return typeof ready?.port === 'number' ? (ready as ReadyReport) : undefined;
  } catch {
    return undefined;
  }
}

/** Resolves with the port that a role's ready line states. Reads on afterwards, so that the pipe never fills. */
export function awaitReadyLine(child: ChildProcess): Promise<number> {
  return new Promise((resolve) => {
    if (child.stdout === null) return;
    createInterface({ input: child.stdout }).on('line', (line) => {
      const report = parseReadyLine(line);
      if (report !== undefined) resolve(report.port);
    });
  });
}
