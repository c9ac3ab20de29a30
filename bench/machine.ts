/** What a figure depends on and a reader can compare: size and versions of the machine, and nothing that names it. */
import { arch, availableParallelism, platform, totalmem } from 'node:os';

export type Machine = {
  readonly cores: number;
  readonly memoryGib: number;
  readonly platform: string;
  readonly node: string;
};

const bytesPerGib = 2 ** 30;

export function describeMachine(): Machine {
  return {
    cores: availableParallelism(),
    memoryGib: Math.round(totalmem() / bytesPerGib),
    platform: `${platform()} ${arch()}`,
    node: process.versions.node,
  };
}
