/** Which processes `belfry dev` runs, and what each of them is told. */
import { describe, expect, it } from 'vitest';
import { publicPorts, roleSpecs, type RolePlan } from '../../../bin/dev-roles.ts';

const passwords = { webapp: 'pw', worker: 'pk', gateway: 'pg', admin: 'pa', sys: 'ps' };
const plan: RolePlan = {
  port: 8080,
  webapps: 2,
  workers: 2,
  gateways: 2,
  rateLimits: 'off',
  logLevel: 'error',
  nats: ['nats://127.0.0.1:1', 'nats://127.0.0.1:2'],
  passwords,
  env: { PATH: '/bin' },
};
const flag = (args: readonly string[], name: string) =>
  args.includes(name) ? args[args.indexOf(name) + 1] : undefined;
const portsOf = (given: RolePlan, former = 0) =>
  Object.fromEntries(roleSpecs(given).map((spec) => [spec.id, flag(spec.args(former), '--port')]));

describe('roleSpecs', () => {
  it('gives the first webapp the port, gateways the next ones, further webapps those after', () => {
    expect(portsOf(plan)).toEqual({
      'worker-1': undefined,
      'worker-2': undefined,
      'gateway-1': '8081',
      'gateway-2': '8082',
      'webapp-1': '8080',
      'webapp-2': '8083',
    });
    expect(publicPorts(plan)).toBe(4);
  });

  it('lets port 0 be any, and keeps the port that a process had', () => {
    expect(portsOf({ ...plan, port: 0 })).toMatchObject({ 'gateway-2': '0', 'webapp-1': '0', 'webapp-2': '0' });
    expect(portsOf({ ...plan, port: 0 }, 4_711)).toMatchObject({ 'gateway-2': '4711', 'webapp-2': '4711' });
  });

  it('gives each role its own password only, by its environment, and workers the system account', () => {
    for (const spec of roleSpecs(plan)) {
      const secrets = Object.values(spec.env).filter((value) => Object.values(passwords).includes(value));
      expect(secrets).toEqual(spec.role === 'worker' ? ['pk', 'ps'] : [passwords[spec.role as 'webapp']]);
      expect(spec.args(0).join(' ')).not.toMatch(/\bp[wkgas]\b/);
      expect(spec.env['BELFRY_SUPERVISED']).toBe('1');
    }
  });
});
