/** Flags that several scenarios share, those with a `belfry dev` of their own above all. */
import { z } from 'zod';
import { defineOptions, integerSchema } from '../platform/config.ts';
import { textBytesMin } from './message-text.ts';

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

export const textBytesOption = defineOptions({
  bytes: {
    value: 'n',
    schema: integerSchema(textBytesMin, 8_000).default(200),
    description: "bytes of a message's text",
  },
});
