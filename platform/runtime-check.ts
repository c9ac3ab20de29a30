/**
 * Whether this machine can run Belfry at all: uWebSockets.js comes as binaries, for some versions of Node.js, some
 * platforms and, on Linux, glibc. One clear line beats a stack from a native loader. scripts/setup.sh holds the same
 * bounds in the same words.
 */
import { UsageError } from './config.ts';

export type Runtime = {
  readonly node: string;
  /** As `process.platform` and `process.arch` have them, with a dash between. */
  readonly platform: string;
  /** Its version; undefined with another libc, and where there is none. */
  readonly glibc: string | undefined;
};

const nodeMajors = [20, 21, 22];
const platforms = ['linux-x64', 'linux-arm64', 'darwin-x64', 'darwin-arm64'];
const glibcMin = [2, 27] as const;

/** @throws UsageError where uWebSockets.js has no build for this Node.js, platform or libc. */
export function checkRuntime(runtime: Runtime = thisRuntime()): void {
  const refusal = refusalOf(runtime);
  if (refusal !== undefined) throw new UsageError(refusal);
}

export function thisRuntime(): Runtime {
  const report = process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined;
  const platform = `${process.platform}-${process.arch}`;
  return { node: process.versions.node, platform, glibc: report?.header?.glibcVersionRuntime };
}

/** Why uWebSockets.js has no build for it, in one line; undefined where it has one. */
export function refusalOf({ node, platform, glibc }: Runtime): string | undefined {
  if (!nodeMajors.includes(numbersOf(node)[0])) {
    return `Node.js ${node} will not do: uWebSockets.js has binaries for Node.js 20 to 22`;
  }
  if (!platforms.includes(platform)) {
    return `${platform} will not do: uWebSockets.js is used on Linux and macOS, on x64 and arm64`;
  }
  return platform.startsWith('linux-') ? refusalOfLibc(glibc) : undefined;
}

function refusalOfLibc(glibc: string | undefined): string | undefined {
  if (glibc === undefined) {
    return 'this libc will not do: uWebSockets.js has binaries for glibc only (not for musl, as in Alpine)';
  }
  const [major, minor] = numbersOf(glibc);
  const isOld = major < glibcMin[0] || (major === glibcMin[0] && minor < glibcMin[1]);
  return isOld ? `glibc ${glibc} is too old: uWebSockets.js needs ${glibcMin.join('.')} or newer` : undefined;
}

function numbersOf(version: string): readonly [major: number, minor: number] {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return [major, minor];
}
