/**
 * The commands of the CLI: names, arguments, options, help. What a command does is loaded when it runs, so that
 * `--help` and wrong input answer at once, also on a machine that cannot run a role.
 */
import type { Command } from 'commander';
import { systemClock } from '../platform/clock.ts';
import { addOptions, createProgram, readOptions, systemOutput, UsageError } from '../platform/config.ts';
import type { OptionTable, OptionValues, Output } from '../platform/config.ts';
import {
  devOptions,
  drainOptions,
  gatewayOptions,
  initOptions,
  speakOptions,
  statusOptions,
  webappOptions,
  workerOptions,
} from './option-tables.ts';
import { projectVersion } from '../platform/project-root.ts';

const clock = systemClock;

export function buildProgram(output: Output = systemOutput): Command {
  const program = createProgram(
    'belfry',
    'Slack-style real-time messaging on NATS JetStream, one role per process',
    output,
  )
    .version(projectVersion())
    .helpCommand(false)
    .addHelpText(
      'after',
      '\nExample:\n  belfry dev\n\nEach option is also a variable: --nats-nodes is BELFRY_NATS_NODES.',
    );
  addDev(program);
  addInit(program);
  addRoles(program);
  addOperations(program, output);
  addMessages(program, output);
  addBench(program);
  return program;
}

function addDev(program: Command): void {
  const dev = declare(
    program,
    'dev',
    'run everything on this machine: nats-server and one process per role',
    devOptions,
  );
  dev.addHelpText('after', example('belfry dev --workers 3', 'belfry dev --port 0 --data /tmp/belfry'));
  run(dev, devOptions, async (options) => {
    const { devCommand } = await import('./dev-command.ts');
    return devCommand(options);
  });
}

function addInit(program: Command): void {
  const init = declare(program, 'init', "make a new cluster's streams, buckets and team, once", initOptions);
  init.addHelpText(
    'after',
    example('BELFRY_NATS_PASSWORD=… belfry init --nats nats://10.0.0.1:4222 --replicas 3 --partitions 8'),
  );
  run(init, initOptions, async (options) => {
    const { initCommand } = await import('./init-command.ts');
    await initCommand(options, systemOutput);
  });
}

function addRoles(program: Command): void {
  const webapp = declare(program, 'webapp', 'run the HTTP API', webappOptions);
  webapp.addHelpText(
    'after',
    example('belfry webapp --nats nats://10.0.0.1:4222 --port 8080 --public-url https://chat.example.org'),
  );
  run(webapp, webappOptions, async (options) => {
    const { runWebapp } = await import('./webapp-role.ts');
    return runWebapp(options);
  });
  const worker = declare(program, 'worker', 'run the channel actors of some of the slots', workerOptions);
  worker.addHelpText('after', example('belfry worker --nats nats://10.0.0.1:4222 --id w1 --zone a'));
  run(worker, workerOptions, async (options) => {
    const { runWorker } = await import('./worker-role.ts');
    return runWorker(options);
  });
  const gateway = declare(program, 'gateway', 'run the WebSocket sessions of one region', gatewayOptions);
  gateway.addHelpText(
    'after',
    example(
      'belfry gateway --nats nats://10.0.0.1:4222 --port 8081 --region eu --public-url wss://eu.chat.example.org',
    ),
  );
  run(gateway, gatewayOptions, async (options) => {
    const { runGateway } = await import('./gateway-role.ts');
    return runGateway(options);
  });
}

function addOperations(program: Command, output: Output): void {
  const status = declare(program, 'status', 'show the nodes of the cluster and who owns the slots', statusOptions);
  status.addHelpText('after', example('belfry status', 'belfry status --url https://chat.example.org --json'));
  run(status, statusOptions, async (options) => {
    const [{ status: show }, { adminTarget }] = await Promise.all([
      import('./status-command.ts'),
      import('./api-target.ts'),
    ]);
    output.out(await show(adminTarget(options), options.json, clock));
  });
  const drain = declare(program, 'drain', 'empty a node, so that it can be stopped', drainOptions).argument(
    '<node>',
    "the node's id",
  );
  drain.addHelpText('after', example('belfry drain worker-1'));
  run(drain, drainOptions, async (options, node) => {
    const [{ drain: start }, { adminTarget }] = await Promise.all([
      import('./status-command.ts'),
      import('./api-target.ts'),
    ]);
    output.out(await start(adminTarget(options), node));
  });
}

function addMessages(program: Command, output: Output): void {
  const channel = 'a name, #name or id';
  const post = declare(program, 'post', 'post a message', speakOptions)
    .argument('<channel>', channel)
    .argument('<text>', 'its text');
  post.addHelpText('after', example('belfry post general "hello"', 'belfry post general "hi alice" --as bob'));
  run(post, speakOptions, async (options, name, text) => {
    const [{ post: send }, { userTarget }] = await Promise.all([
      import('./post-command.ts'),
      import('./api-target.ts'),
    ]);
    output.out(await send(userTarget(options), name, text, clock));
  });
  const tail = declare(program, 'tail', "print a channel's messages as they come", speakOptions).argument(
    '<channel>',
    channel,
  );
  tail.addHelpText('after', example('belfry tail general'));
  run(tail, speakOptions, async (options, name) => {
    const [{ tail: follow }, { userTarget }] = await Promise.all([
      import('./tail-command.ts'),
      import('./api-target.ts'),
    ]);
    await follow(userTarget(options), name, output, clock);
  });
}

function addBench(program: Command): void {
  program
    .command('bench')
    .description('measure one scenario against its reference, in one run')
    .helpOption(false)
    .allowUnknownOption()
    .allowExcessArguments()
    .action(async (_options: unknown, command: Command) => {
      const { benchCommand } = await import('../bench/cli.ts');
      await benchCommand(command.args);
    });
}

function declare(program: Command, name: string, description: string, table: OptionTable): Command {
  return addOptions(program.command(name).description(description), table);
}

/** Runs `action` with the checked options and the positional arguments, none of which may be empty. */
function run<Table extends OptionTable>(
  command: Command,
  table: Table,
  action: (options: OptionValues<Table>, ...names: [string, string]) => Promise<void>,
): void {
  command.action(async () => {
    for (const [at, value] of command.args.entries()) {
      if (value === '') throw new UsageError(`${command.registeredArguments[at]?.name() ?? 'an argument'} is empty`);
    }
    await action(readOptions(command, table), command.args[0] ?? '', command.args[1] ?? '');
  });
}

function example(...lines: readonly string[]): string {
  return `\nExample:\n${lines.map((line) => `  ${line}`).join('\n')}`;
}
