import { describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import {
  addOptions,
  createProgram,
  defineOptions,
  integerSchema,
  portSchema,
  readOptions,
  runProgram,
  switchSchema,
  UsageError,
} from '../../../platform/config.ts';
import type { Environment, OptionValues } from '../../../platform/config.ts';

const table = defineOptions({
  port: { value: 'port', schema: portSchema.default(8_080), description: 'port of the API' },
  publicUrl: { value: 'url', schema: z.url().optional(), description: 'URL that clients use' },
  json: { schema: switchSchema, description: 'print JSON' },
  region: { value: 'name', schema: z.string().min(1), description: 'region of the gateway' },
  natsPassword: {
    schema: z
      .string()
      .regex(/^[a-z]/)
      .optional(),
    description: 'password of the NATS user',
    secret: true,
  },
});

type Values = OptionValues<typeof table>;

async function run(args: string[], env: Environment = {}) {
  let [out, err] = ['', ''];
  const output = { out: (text: string) => void (out += text), err: (text: string) => void (err += text) };
  const program = createProgram('belfry', 'A message broker.', output);
  const seen = vi.fn<(values: Values) => void>();
  const command = addOptions(program.command('webapp').description('Serves the API.'), table);
  command.action(() => seen(readOptions(command, table, env)));
  program.command('broken').action(() => {
    throw new Error('a\nbug');
  });
  program.command('refused').action(() => {
    throw new UsageError('nats-server is not there');
  });
  const code = await runProgram(program, args, output);
  return { code, out, err, values: seen.mock.calls[0]?.[0] };
}

describe('options', () => {
  it('come from the flag, else from the variable, else from the default', async () => {
    const env = { BELFRY_PORT: '9000', BELFRY_REGION: 'eu', BELFRY_NATS_PASSWORD: 'secret' };
    const { values } = await run(['webapp', '--port', '0'], env);
    expect(values).toEqual({ port: 0, publicUrl: undefined, json: false, region: 'eu', natsPassword: 'secret' });
    expect((await run(['webapp'], env)).values?.port).toBe(9_000);
    expect((await run(['webapp'], { ...env, BELFRY_PORT: '' })).values?.port).toBe(8_080);
  });

  it.each([
    [['--json'], {}, true],
    [[], { BELFRY_JSON: '1' }, true],
    [[], { BELFRY_JSON: 'false' }, false],
    [['--json'], { BELFRY_JSON: '0' }, true],
  ])('read a switch from %j and %j as %j', async (args, env, expected) => {
    expect((await run(['webapp', '--region', 'eu', ...args], env)).values?.json).toBe(expected);
  });
});

describe('wrong input', () => {
  it.each([
    ['a bad flag value', ['webapp', '--region', 'eu', '--port', '70000'], {}, /--port "70000"/],
    ['a value that is no number', ['webapp', '--region', 'eu', '--port', '80a'], {}, /whole number/],
    ['a bad variable', ['webapp', '--region', 'eu'], { BELFRY_PORT: '-1' }, /BELFRY_PORT "-1"/],
    ['a missing option', ['webapp'], {}, /--region \(BELFRY_REGION\) is missing: region of the gateway/],
    ['an unknown flag', ['webapp', '--prot', '1'], {}, /unknown option '--prot'.*--port/],
    ['an unknown command', ['webap'], {}, /unknown command 'webap'.*webapp/],
    ['no command', [], {}, /a command is missing/],
    ['a flag without its value', ['webapp', '--port'], {}, /argument missing/],
    ['what a command refuses', ['refused'], {}, /nats-server is not there/],
  ] as const)('is one clear line and exit code 2: %s', async (_, args, env, line) => {
    const { code, out, err } = await run([...args], env);
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(line);
    expect(err.trimEnd().split('\n')).toHaveLength(1);
  });

  it('never prints a secret', async () => {
    const { code, err } = await run(['webapp', '--region', 'eu'], { BELFRY_NATS_PASSWORD: '9secret' });
    expect(code).toBe(2);
    expect(err).toContain('BELFRY_NATS_PASSWORD');
    expect(err).not.toContain('9secret');
  });

  it('does not hide a bug: one line, exit code 1', async () => {
    expect(await run(['broken'])).toMatchObject({ code: 1, err: 'belfry: a bug\n' });
  });
});

describe('help', () => {
  it('names every flag with its variable and default, and the secrets apart', async () => {
    const { code, out } = await run(['webapp', '--help']);
    expect(code).toBe(0);
    expect(out).toMatch(/--port <port> .*\(default:\s+8080\).*BELFRY_PORT/s);
    expect(out).toContain('BELFRY_NATS_PASSWORD');
    expect(out).not.toContain('--nats-password');
  });

  it('is there for the program, too', async () => {
    expect(await run(['--help'])).toMatchObject({ code: 0, out: expect.stringContaining('Usage: belfry') });
  });
});

describe('integerSchema', () => {
  it('takes whole numbers in its range only', () => {
    const schema = integerSchema(1, 10);
    expect(schema.parse('10')).toBe(10);
    for (const text of ['0', '11', '1.5', '1e1', '', ' 1', 'NaN']) expect(schema.safeParse(text).success).toBe(false);
  });
});
