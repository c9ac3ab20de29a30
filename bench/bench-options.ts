/** The flags that all scenarios share. */
import { z } from 'zod';
import { defineOptions, integerSchema, type OptionValues } from '../platform/config.ts';
import { progressKinds } from './progress.ts';

const path = z.string().min(1).optional();

export type MeasureDefaults = { readonly seconds: number; readonly runs: number };
export const measureDefaults: MeasureDefaults = { seconds: 5, runs: 3 };

/** How it is measured; the result states them. */
const measureOptions = ({ seconds, runs }: MeasureDefaults) =>
  defineOptions({
    seconds: {
      value: 's',
      schema: integerSchema(1, 3_600).default(seconds),
      description: 'how long each side is measured, in each run',
    },
    runs: {
      value: 'n',
      schema: integerSchema(1, 100).default(runs),
      description: 'runs; the table shows median, lowest and highest',
    },
    seed: {
      value: 'n',
      schema: integerSchema(0, 2 ** 31).default(1),
      description: 'of everything that is random in the load',
    },
  });

/** What is loaded instead of servers of our own. The token never gets into a result. */
const targetOptions = defineOptions({
  target: {
    value: 'url',
    schema: path,
    description: 'load a deployment that runs already: its URL, or the data folder of a belfry dev on this machine',
  },
  token: {
    value: 'token',
    schema: path,
    description: 'its admin token (as a variable it stays out of the process list)',
  },
});

/** How the load connects; how many processes it has is the scenario's (`--load-procs`). */
const loadOptions = defineOptions({
  sourceAddresses: {
    value: 'n',
    schema: integerSchema(1, 254).default(1),
    description: 'loopback addresses that the load connects from; each adds 28,000 connections',
  },
  coordinate: {
    value: 'nats-url',
    schema: path,
    description: 'share the load with machines that run belfry bench --join nats-url; needs --target',
  },
  machines: {
    value: 'n',
    schema: integerSchema(1, 64).default(1),
    description: 'how many of them to wait for; --load-procs counts the processes on all machines, this one included',
  },
});

/** What is shown, and what is kept. */
const outputOptions = defineOptions({
  json: {
    value: 'file',
    schema: path,
    description: 'write everything that was measured there; - is standard output, instead of the table',
  },
  html: {
    value: 'file',
    schema: path,
    description: 'write a page with charts there: latency percentiles, rates, CPU by role; it needs no network',
  },
  progress: {
    value: 'kind',
    schema: z.enum(progressKinds).default('auto'),
    description: 'on stderr: auto (a live line on a terminal, else nothing), plain (a line a second) or off',
  },
  cpuProf: {
    value: 'folder',
    schema: path,
    description: "write CPU profiles of the servers' Node processes there; such figures are for finding, not quoting",
  },
});

export const commonOptions = (defaults: MeasureDefaults) => ({
  ...measureOptions(defaults),
  ...targetOptions,
  ...loadOptions,
  ...outputOptions,
});
export type CommonOptions = OptionValues<ReturnType<typeof commonOptions>>;
