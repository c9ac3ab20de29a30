/** Which cluster a tool talks to, and as whom: a running `belfry dev` by its data folder, any other by URL and token. */
import { UsageError } from '../platform/config.ts';
import type { ApiTarget } from './api-client.ts';
import { devFilePath, readDevFile, type DevFile } from './dev-file.ts';

export type TargetOptions = {
  readonly data: string;
  readonly url: string | undefined;
  readonly token: string | undefined;
};

/** @throws UsageError when there is no running `belfry dev`, or half of --url and --token. */
export function adminTarget(options: TargetOptions): ApiTarget {
  return named(options) ?? fromDev(options, (dev) => dev.admin);
}

/** @throws UsageError as adminTarget, or when the demo workspace has no such user. */
export function userTarget(options: TargetOptions & { readonly as: string }): ApiTarget {
  return named(options) ?? fromDev(options, (dev) => tokenOf(dev, options.as));
}

function named({ url, token }: TargetOptions): ApiTarget | undefined {
  if (url === undefined && token === undefined) return undefined;
  if (url === undefined) throw new UsageError('--token needs --url');
  if (token === undefined) throw new UsageError('--url needs --token (BELFRY_TOKEN)');
  const base = url.endsWith('/') ? url : `${url}/`;
  return { api: base.endsWith('/api/') ? base : `${base}api/`, token };
}

function fromDev(options: TargetOptions, token: (dev: DevFile) => string): ApiTarget {
  const dev = readDevFile(options.data);
  if (dev === undefined) {
    throw new UsageError(
      `no belfry dev is ready in ${options.data} (${devFilePath(options.data)}); or give --url and --token`,
    );
  }
  return { api: dev.api, token: token(dev) };
}

function tokenOf(dev: DevFile, name: string): string {
  const user = dev.users.find((one) => one.name === name);
  if (user !== undefined) return user.token;
  throw new UsageError(
    `--as ${JSON.stringify(name)}: the demo users are ${dev.users.map((one) => one.name).join(', ')}`,
  );
}
