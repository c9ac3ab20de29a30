/** A server's binary (nats-server, redis-server) in a process that takes it down with itself; server-host.ts runs it. */
import { freePorts } from '../platform/free-port.ts';
import { LoadGroup } from './load-group.ts';
import type { RunContext } from './scenario.ts';
import type { ServerHost } from './server-host.ts';

export type HostedServer = { readonly pid: number; readonly port: number; readonly stop: () => Promise<void> };

export type ServerSpec = {
  readonly path: string;
  argsFor(port: number): readonly string[];
  /** Variables beside the harness's own. */
  readonly env?: Readonly<Record<string, string>>;
  /** What it says when it takes clients. */
  readonly readyText: string;
};

/** On a free port of loopback. Nothing stays when it rejects. */
export async function startServer(context: RunContext, spec: ServerSpec): Promise<HostedServer> {
  const host = new LoadGroup<ServerHost>('./server-host', 1, context);
  const stop = async () => {
    // A host that is gone has taken its server down.
    await host.callAll('stop', null).catch(() => undefined);
    await host.stop();
  };
  try {
    const [port = 0] = await freePorts(1);
    const { path, env = {}, readyText } = spec;
    const [started] = await host.callAll('start', { path, args: spec.argsFor(port), env, readyText });
    return { pid: started?.pid ?? 0, port, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
