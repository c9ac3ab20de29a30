/**
 * Every option of every command, once: its flag, its BELFRY_ variable, its default and what it must look like.
 */
import { z } from 'zod';
import { defineOptions, integerSchema, portSchema, switchSchema } from '../platform/config.ts';
import { logLevels } from '../platform/logger.ts';
import { parseNodeId } from '../protocol/ids.ts';

const nodeName = z
  .string()
  .refine((text) => parseNodeId(text) !== undefined, 'must be 1 to 63 letters, digits, _ or -')
  .transform((text) => parseNodeId(text) ?? '');
/** One subject token: regions and zones are parts of subjects. */
const placeName = z.string().regex(/^[A-Za-z0-9_-]{1,32}$/, 'must be 1 to 32 letters, digits, _ or -');
const brokerUrl = /^(nats|tls):\/\/[^\s,/]+(:\d+)?$/;
const brokerUrls = z
  .string()
  .transform((text) => text.split(',').map((url) => url.trim()))
  .pipe(z.array(z.string().regex(brokerUrl, 'must be nats://host:port, several with commas between them')));
const publicUrl = (schemes: string) =>
  z
    .string()
    .regex(
      new RegExp(`^(${schemes})://[^\\s]+$`),
      `must be a URL that starts with ${schemes.replace('|', ':// or ')}://`,
    );

const dataFolder = { value: 'folder', schema: z.string().default('.belfry'), description: 'where everything is kept' };
const logLevel = (standard: (typeof logLevels)[number]) => ({
  value: 'level',
  schema: z.enum(logLevels, `must be one of ${logLevels.join(', ')}`).default(standard),
  description: 'log lines at or above this level go to stderr',
});
const rateLimits = {
  value: 'set',
  schema: z.enum(['default', 'slack', 'off'], 'must be default, slack or off').default('default'),
  description: "default: generous; slack: Slack's tiers; off: none",
};

/** How a role or tool finds the broker and signs in. */
const broker = {
  nats: {
    value: 'urls',
    schema: brokerUrls.default(['nats://127.0.0.1:4222']),
    description: 'the broker, as nats://host:port[,…]',
  },
  natsCa: { value: 'file', schema: z.string().optional(), description: "the CA of the broker's certificate, for TLS" },
  natsUser: {
    schema: z.string().optional(),
    description: "the role's user on the broker (default: the role's name)",
    secret: true,
  },
  natsPassword: { schema: z.string().optional(), description: "that user's password", secret: true },
} as const;

const natsSystem = {
  natsSysUser: { schema: z.string().default('sys'), description: "user of the broker's system account", secret: true },
  natsSysPassword: {
    schema: z.string().optional(),
    description: "that user's password; absent: dead nodes are noticed by their heartbeats only, which is slower",
    secret: true,
  },
} as const;

const role = {
  ...broker,
  ...natsSystem,
  id: { value: 'name', schema: nodeName.optional(), description: "the node's name (default: made of the host's name)" },
  host: { value: 'address', schema: z.string().min(1).default('127.0.0.1'), description: 'address to listen on' },
  adminPort: { value: 'port', schema: portSchema.default(0), description: 'health and metrics; 0: any free one' },
  adminHost: {
    value: 'address',
    schema: z.string().min(1).default('127.0.0.1'),
    description: 'address of the admin port',
  },
  zone: {
    value: 'zone',
    schema: placeName.default('default'),
    description: 'failure domain: slots are balanced over zones as over workers',
  },
  region: { value: 'region', schema: placeName.default('local'), description: 'region' },
  logLevel: logLevel('info'),
} as const;

const listener = (port: number) => ({
  port: { value: 'port', schema: portSchema.default(port), description: 'public port; 0: any free one' },
});

export const webappOptions = defineOptions({
  ...role,
  ...listener(8080),
  publicUrl: {
    value: 'url',
    schema: publicUrl('http|https').optional(),
    description: 'URL that clients reach it by (default: http://host:port)',
  },
  rateLimits,
});

export const workerOptions = defineOptions({
  ...role,
  weight: {
    value: 'n',
    schema: integerSchema(1, 1_000).default(1),
    description: 'share of the slots against other workers',
  },
});

export const gatewayOptions = defineOptions({
  ...role,
  ...listener(8081),
  publicUrl: {
    value: 'url',
    schema: publicUrl('ws|wss').optional(),
    description: 'URL that clients reach it by (default: ws://host:port)',
  },
});

export const devOptions = defineOptions({
  port: {
    value: 'port',
    schema: portSchema.default(8080),
    description: "the API's port; gateways get the next ones; 0: any free",
  },
  webapps: { value: 'n', schema: integerSchema(1, 16).default(1), description: 'webapp processes' },
  workers: { value: 'n', schema: integerSchema(1, 64).default(2), description: 'worker processes' },
  gateways: { value: 'n', schema: integerSchema(1, 64).default(1), description: 'gateway processes' },
  natsNodes: {
    value: '1|3',
    schema: z.enum(['1', '3'], 'must be 1 or 3').transform(Number).default(1),
    description: 'nats-server processes; 3 keep every record three times',
  },
  data: dataFolder,
  natsServer: {
    value: 'path',
    schema: z.string().optional(),
    description: 'the nats-server to run (default: from the PATH, /usr/sbin, .tools)',
  },
  rateLimits,
  logLevel: logLevel('error'),
});

export const initOptions = defineOptions({
  ...broker,
  replicas: {
    value: '1|3',
    schema: z.enum(['1', '3'], 'must be 1 or 3').transform(Number).default(1),
    description: 'copies of every record; 3 needs three servers',
  },
  partitions: {
    value: 'p',
    schema: integerSchema(1, 64).default(1),
    description: 'log streams; 8 to 32 in production',
  },
  team: { value: 'name', schema: z.string().min(1).max(80).default('Belfry'), description: "the workspace's name" },
});

/** How a tool finds a running cluster: a `belfry dev` by its folder, any other by URL and token. */
const target = {
  data: { ...dataFolder, description: 'the folder of a running `belfry dev`' },
  url: {
    value: 'url',
    schema: publicUrl('http|https').optional(),
    description: "the API's URL, instead of a running `belfry dev`",
  },
  token: {
    value: 'token',
    schema: z.string().optional(),
    description: 'token to use with --url (as a variable it stays out of the process list)',
  },
} as const;

export const statusOptions = defineOptions({
  ...target,
  json: { schema: switchSchema, description: 'print JSON' },
});

export const drainOptions = defineOptions(target);

export const speakOptions = defineOptions({
  ...target,
  as: { value: 'user', schema: z.string().default('alice'), description: 'which demo user of `belfry dev` to be' },
});
