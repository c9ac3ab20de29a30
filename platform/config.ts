/**
 * Configuration: each option is defined once, and read from its flag, else from its BELFRY_ variable, else its default.
 *
 * O1  The key of an option names all of it: `publicUrl` is --public-url and BELFRY_PUBLIC_URL.
 * O2  Options are parsed once, at start, by their zod schema. Input is wrong loudly: one clear line on stderr, exit 2.
 * O3  An empty environment variable is an absent one. Secrets have no flag, since flags show in the process list.
 * O4  A wrong secret is never printed.
 */
import { Command, CommanderError, Option } from 'commander';
import { z } from 'zod';

export type OptionSpec<T = unknown> = {
  /** What the flag takes, for --help (`url`, `port`). Absent: a switch, with `switchSchema` or one like it. */
  value?: string;
  schema: z.ZodType<T>;
  description: string;
  /** True: environment only (O3). */
  secret?: boolean;
};

export type OptionTable = Readonly<Record<string, OptionSpec>>;
export type OptionValues<Table extends OptionTable> = { [Key in keyof Table]: z.output<Table[Key]['schema']> };
export type Environment = Readonly<Record<string, string | undefined>>;

/** What the operator gave cannot work: one line, exit 2. The message is that line. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Checks the table's types and keeps them exact. */
export function defineOptions<const Table extends OptionTable>(table: Table): Table {
  return table;
}

/** A switch: absent is false; as a variable 1, true, yes, on and 0, false, no, off. */
export const switchSchema = z
  .stringbool({ truthy: ['1', 'true', 'yes', 'on'], falsy: ['0', 'false', 'no', 'off'] })
  .default(false);
/** A whole number in a range, from text. */
export const integerSchema = (min: number, max: number) =>
  z
    .string()
    .regex(/^-?\d{1,15}$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.number().min(min).max(max));
/** A number with or without a fraction in a range, from text. */
export const decimalSchema = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,9}(\.\d{1,6})?$/, 'must be a number')
    .transform(Number)
    .pipe(z.number().min(min).max(max));
/** A TCP port; 0 means any free one. */
export const portSchema = integerSchema(0, 65_535);

/** Adds the table's flags to a command, and its secrets to the end of the command's help. */
export function addOptions(command: Command, table: OptionTable): Command {
  for (const [key, spec] of Object.entries(table)) {
    if (spec.secret !== true) command.addOption(optionOf(key, spec));
  }
  const secrets = Object.entries(table).filter(([, spec]) => spec.secret === true);
  if (secrets.length === 0) return command;
  const lines = secrets.map(([key, spec]) => `  ${variableOf(key)}  ${spec.description}`);
  return command.addHelpText('after', `\nEnvironment only:\n${lines.join('\n')}`);
}

/** The values of a command's options. Throws a UsageError that names the flag or the variable at fault. */
export function readOptions<Table extends OptionTable>(
  command: Command,
  table: Table,
  env: Environment = process.env,
): OptionValues<Table> {
  const values: Record<string, unknown> = {};
  for (const [key, spec] of Object.entries(table)) values[key] = readOption(command, key, spec, env);
  return values as OptionValues<Table>;
}

/** The root of the CLI. Subcommands made with its `.command()` inherit how it fails. */
export function createProgram(name: string, description: string, output: Output = systemOutput): Command {
  return new Command(name)
    .description(description)
    .exitOverride()
    .showSuggestionAfterError(true)
    .configureOutput({ writeOut: (text) => output.out(text), writeErr: () => undefined });
}

export type Output = { out(text: string): void; err(text: string): void };
export const systemOutput: Output = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
};

/**
 * Runs the CLI and gives the exit code: 0, or 2 after one line for what the operator gave. Other errors are bugs,
 * or failures that a command did not turn into a UsageError: one line, exit 1, with the stack under BELFRY_DEBUG.
 */
export async function runProgram(
  program: Command,
  args: readonly string[],
  output: Output = systemOutput,
): Promise<number> {
  try {
    await program.parseAsync([...args], { from: 'user' });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return reportCommander(program, error, output);
    const line = error instanceof Error ? error.message : String(error);
    output.err(`${program.name()}: ${oneLine(line)}\n`);
    if (error instanceof UsageError) return 2;
    if (process.env['BELFRY_DEBUG'] && error instanceof Error) output.err(`${error.stack ?? ''}\n`);
    return 1;
  }
}

function reportCommander(program: Command, error: CommanderError, output: Output): number {
  if (error.code === 'commander.helpDisplayed' || error.code === 'commander.version') return 0;
  const said = error.code === 'commander.help' ? 'a command is missing' : error.message.replace(/^error: /, '');
  output.err(`${program.name()}: ${oneLine(said)}; see ${program.name()} --help\n`);
  return 2;
}

function optionOf(key: string, spec: OptionSpec): Option {
  const value = spec.value === undefined ? '' : ` <${spec.value}>`;
  const standard = spec.schema.safeParse(undefined);
  const shown = standard.success && standard.data !== undefined && spec.value !== undefined;
  const description = shown ? `${spec.description} (default: ${String(standard.data)})` : spec.description;
  return new Option(`--${kebab(key)}${value}`, description).env(variableOf(key));
}

function readOption(command: Command, key: string, spec: OptionSpec, env: Environment): unknown {
  const { text, source } = rawOption(command, key, spec, env);
  const parsed = spec.schema.safeParse(text);
  if (parsed.success) return parsed.data;
  if (text === undefined) throw new UsageError(`${source} is missing: ${spec.description}`);
  const why = parsed.error.issues[0]?.message ?? 'is not valid';
  const shown = spec.secret === true ? '' : ` ${JSON.stringify(text)}`;
  throw new UsageError(`${source}${shown}: ${lowerFirst(why)}`);
}

/** Commander reads variables too, but takes `BELFRY_X=0` for a given switch; so only its flags count here. */
function rawOption(
  command: Command,
  key: string,
  spec: OptionSpec,
  env: Environment,
): { text: string | undefined; source: string } {
  const flag = `--${kebab(key)}`;
  if (spec.secret !== true && command.getOptionValueSource(key) === 'cli') {
    return { text: String(command.getOptionValue(key)), source: flag };
  }
  const variable = variableOf(key);
  const text = env[variable];
  if (text !== undefined && text !== '') return { text, source: variable };
  return { text: undefined, source: spec.secret === true ? variable : `${flag} (${variable})` };
}

function kebab(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function variableOf(key: string): string {
  return `BELFRY_${kebab(key).replaceAll('-', '_').toUpperCase()}`;
}

function oneLine(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, ' ').trim();
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
