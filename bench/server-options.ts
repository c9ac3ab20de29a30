/** Flags that scenarios with a `belfry dev` of their own share. */
import { z } from 'zod';
import { defineOptions, integerSchema } from '../platform/config.ts';

export const natsServerOption = defineOptions({
  natsServer: {
    value: 'path',
    schema: z.string().optional(),
    description: 'the nats-server to run (default: from the PATH, /usr/sbin, .tools)',
  },
});

export const serverOptions = defineOptions({
  workers: { value: 'n', schema: integerSchema(1, 64).default(2), description: 'worker processes' },
  gateways: { value: 'n', schema: integerSchema(1, 64).default(1), description: 'gateway processes' },
  loadProcs: { value: 'n', schema: integerSchema(1, 64).default(1), description: 'processes that make the load' },
  ...natsServerOption,
});
