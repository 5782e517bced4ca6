import type { LoggerService } from '@nestjs/common';
import { destination, type Logger, type LoggerOptions, pino, stdTimeFunctions } from 'pino';
import pretty from 'pino-pretty';

const SECRETS = [
  'authorization',
  'cookie',
  'set-cookie',
  'password',
  'newPassword',
  'token',
  'tokens',
  'refreshToken',
  'accessToken',
  'resetToken',
  'client_secret',
  'clientSecret',
  'client_assertion',
];

// What is not yet written; beyond it lines are dropped.
const BACKLOG_MAX_BYTES = 1_048_576;

/** What a record is: secrets are removed, wherever it may carry one. */
export const loggerOptions = (level: string): LoggerOptions => ({
  level,
  base: null,
  timestamp: stdTimeFunctions.isoTime,
  redact: {
    paths: SECRETS.flatMap((name) => [`["${name}"]`, `*["${name}"]`, `*.headers["${name}"]`]),
    censor: '[redacted]',
  },
});

/** JSON lines, or lines for people while developing. */
export function createLogger({ level, isReadable }: { level: string; isReadable: boolean }): Logger {
  const options = loggerOptions(level);
  const stdout = destination({ fd: process.stdout.fd, sync: true, maxLength: BACKLOG_MAX_BYTES });
  // Closed, or on a full disk: requests go on without a log rather than not at all.
  stdout.on('error', () => undefined);
  const colorize = process.stdout.isTTY;
  return isReadable
    ? pino(options, pretty({ destination: stdout, colorize, translateTime: 'HH:MM:ss', singleLine: true }))
    : pino(options, stdout);
}

/** Lets Nest and the service's own modules write into the same log. */
export class NestLogger implements LoggerService {
  constructor(private readonly logger: Logger) {}

  log(message: unknown, context?: string): void {
    // What Nest logs of its own start matters to its developers alone.
    const level = context && NEST_CONTEXTS.has(context) ? 'debug' : 'info';
    this.logger[level]({ context }, String(message));
  }

  warn(message: unknown, context?: string): void {
    this.logger.warn({ context }, String(message));
  }

  error(message: unknown, ...rest: unknown[]): void {
    const context = rest.at(-1);
    const stack = rest.length > 1 ? rest[0] : undefined;
    // Nest throws this one as well, and the start explains it.
    const level = String(message).startsWith('Error: listen ') ? 'debug' : 'error';
    this.logger[level]({ context, stack }, String(message));
  }

  fatal(message: unknown, context?: string): void {
    this.logger.fatal({ context }, String(message));
  }

  debug(message: unknown, context?: string): void {
    this.logger.debug({ context }, String(message));
  }

  verbose(message: unknown, context?: string): void {
    this.logger.trace({ context }, String(message));
  }
}

const NEST_CONTEXTS = new Set(['NestFactory', 'InstanceLoader', 'RoutesResolver', 'RouterExplorer', 'NestApplication']);
