/** `belfry dev`: checks the machine, starts everything, and says in a few lines what one can do with it. */
import { resolve } from 'node:path';
import { findNatsServer, type NatsServerBinary } from '../broker/nats-server-binary.ts';
import { systemClock } from '../platform/clock.ts';
import { systemOutput } from '../platform/config.ts';
import { systemRng } from '../platform/rng.ts';
import { checkRuntime } from '../platform/runtime-check.ts';
import { devFilePath } from './dev-file.ts';
import { DevSupervisor, type DevOptions, type DevReady } from './dev-supervisor.ts';
import { asOneLine } from './role.ts';

/** Never resolves: the process ends by a signal. @throws UsageError */
export function devCommand(given: DevOptions & { readonly natsServer: string | undefined }): Promise<never> {
  return asOneLine(async () => {
    checkRuntime();
    const natsServer = await findNatsServer(given.natsServer);
    const options = { ...given, data: resolve(given.data) };
    const supervisor = new DevSupervisor({
      options,
      natsServer,
      clock: systemClock,
      rng: systemRng,
      output: systemOutput,
    });
    systemOutput.out(readyText(await supervisor.start(), options, natsServer));
    return new Promise<never>(() => undefined);
  });
}

/** The first line starts with `ready `; those after it are for people. Tokens stay out of terminals and logs. */
export function readyText({ api, workspace }: DevReady, options: DevOptions, natsServer: NatsServerBinary): string {
  const file = devFilePath(options.data);
  const token = `$(node -p 'require("${file}").users[0].token')`;
  const channel = workspace.channels[0]?.id ?? '';
  const counts = [
    count(options.webapps, 'webapp'),
    count(options.workers, 'worker'),
    count(options.gateways, 'gateway'),
    `nats-server ${natsServer.version}${options.natsNodes > 1 ? ` x ${options.natsNodes}` : ''}`,
  ];
  const lines = [
    `ready ${api} (${counts.join(', ')})`,
    '',
    `  The API:     ${api}`,
    `  The tokens:  ${file} (users ${workspace.users.map((user) => user.name).join(' and ')}, a bot, the admin)`,
    `  The metrics: at the URLs that \`belfry status\` shows, /metrics`,
    '',
    `  curl -s ${api}chat.postMessage -H "Authorization: Bearer ${token}" -d channel=${channel} -d text=hello`,
    `  curl -s ${api}conversations.history -H "Authorization: Bearer ${token}" -d channel=${channel}`,
    '',
  ];
  return `${lines.join('\n')}\n`;
}

function count(number: number, name: string): string {
  return `${number} ${name}${number === 1 ? '' : 's'}`;
}
