/**
 * Logging: one JSON line per event on stderr.
 *
 * L1  An event is a fixed name (`table_changed`) plus fields. What varies is a field, never part of the name.
 * L2  No message bodies, tokens or passwords. Nothing per message above `trace`.
 * L3  Lines are written synchronously: there are few of them, and the one before a crash is the one that matters.
 */
import { pino } from 'pino';
import type { DestinationStream, Logger as PinoLogger } from 'pino';

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];
export type LogFields = Readonly<Record<string, unknown>>;

export type Logger = {
  trace(event: string, fields?: LogFields): void;
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
  fatal(event: string, fields?: LogFields): void;
  /** True when `trace` writes anything: lets a hot path skip building the fields. */
  readonly traces: boolean;
  /** A logger whose lines all carry these fields too. */
  child(fields: LogFields): Logger;
};

export type LoggerOptions = {
  /** webapp, worker, gateway, dev … */
  role: string;
  /** The node's id. */
  id: string;
  level: LogLevel;
  /** Absent: stderr. */
  destination?: DestinationStream;
};

/** Fields named `error` are written with name, message, stack and cause. */
export function createLogger(options: LoggerOptions): Logger {
  const destination = options.destination ?? pino.destination({ fd: 2, sync: true });
  const settings = {
    level: options.level,
    base: { role: options.role, id: options.id },
    messageKey: 'event',
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { error: pino.stdSerializers.errWithCause },
  };
  return wrap(pino(settings, destination));
}

function wrap(inner: PinoLogger): Logger {
  return {
    trace: (event, fields = {}) => inner.trace(fields, event),
    debug: (event, fields = {}) => inner.debug(fields, event),
    info: (event, fields = {}) => inner.info(fields, event),
    warn: (event, fields = {}) => inner.warn(fields, event),
    error: (event, fields = {}) => inner.error(fields, event),
    fatal: (event, fields = {}) => inner.fatal(fields, event),
    traces: inner.isLevelEnabled('trace'),
    child: (fields) => wrap(inner.child(fields)),
  };
}

/** Writes nothing. */
export const silentLogger: Logger = createLogger({ role: 'none', id: 'none', level: 'silent' });

export type LogLine = { level: string; event: string; role: string; id: string } & Record<string, unknown>;

/** Keeps its lines, parsed, so that a test can look for an event. */
export function createMemoryLogger(level: LogLevel = 'debug'): { logger: Logger; lines: LogLine[] } {
  const lines: LogLine[] = [];
  const destination = { write: (line: string) => void lines.push(JSON.parse(line) as LogLine) };
  return { logger: createLogger({ role: 'test', id: 'test', level, destination }), lines };
}
