/**
 * Whether this machine can run a role at all: uWebSockets.js comes as binaries, for some Node versions and for glibc.
 * One clear line beats a stack from a native loader.
 */
import { UsageError } from '../platform/config.ts';

const nodeMajors = [20, 21, 22] as const;

/** @throws UsageError where uWebSockets.js has no build for this Node version or libc. */
export function checkRuntime(): void {
  const major = Number(process.versions.node.split('.')[0]);
  if (!nodeMajors.some((known) => known === major)) {
    throw new UsageError(`Node.js ${process.versions.node} will not do: uWebSockets.js has binaries for 20 to 22`);
  }
  if (process.platform === 'linux' && !hasGlibc()) {
    throw new UsageError(
      'this libc will not do: uWebSockets.js has binaries for glibc only (not for musl, as in Alpine)',
    );
  }
}

function hasGlibc(): boolean {
  const report = process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined;
  return report?.header?.glibcVersionRuntime !== undefined;
}
