import type { LoggerService } from '@nestjs/common';
import { type Logger, type LoggerOptions, pino } from 'pino';
import pretty from 'pino-pretty';
import { isoTime } from './iso-time.js';
import { standardOutput } from './standard-output.js';

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

/** What a record is: secrets are removed, wherever it may carry one. */
export const loggerOptions = (level: string): LoggerOptions => ({
  level,
  base: null,
  timestamp: isoTime,
  redact: {
    paths: SECRETS.flatMap((name) => [`["${name}"]`, `*["${name}"]`, `*.headers["${name}"]`]),
    censor: '[redacted]',
  },
});

/** JSON lines, or lines for people while developing. */
export function createLogger({ level, isReadable }: { level: string; isReadable: boolean }): Logger {
  const textOf = isReadable
    ? pretty.prettyFactory({ colorize: process.stdout.isTTY, translateTime: 'HH:MM:ss', singleLine: true })
    : (line: string) => line;
  const stdout = standardOutput(textOf, (count) =>
    logger.warn(`${count} lines of the log could not be written, and are lost`),
  );
  const logger = pino(loggerOptions(level), stdout);
  return logger;
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
