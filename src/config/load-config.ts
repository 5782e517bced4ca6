import { readFileSync } from 'node:fs';
import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import { StartError } from '../problems/start-error.js';
import { complaintsAboutBrand } from './brand.config.js';
import { AppConfig } from './config.js';
import { prepareFolder } from './data-dir.js';
import { keepSecret } from './kept-secret.js';
import { limitsFor } from './limits.config.js';

type Environment = Readonly<Record<string, string | undefined>>;

export interface LoadOptions {
  /** False for a command that only works on the database: it needs no secrets, and makes none. */
  readonly isServing?: boolean;
  /** For the command that migrates: the URL for that is enough. */
  readonly isMigrating?: boolean;
}

const FILE_VARIANTS = [
  'DATABASE_URL',
  'DATABASE_READ_URLS',
  'MIGRATION_DATABASE_URL',
  'JWT_SECRET',
  'REFRESH_TOKEN_SECRET',
  'SMTP_URL',
];
const SECRET_MIN_BYTES = 32;
const SECRET_MIN_DISTINCT_CHARACTERS = 8;
const PLACEHOLDER = /change.?(me|this|it)|replace|placeholder|example|your[-_ ]|secret[-_ ]?key|password|insert|dummy/i;

/** Why the service does not start: every bad variable by name, no value. */
export class ConfigError extends StartError {
  constructor(readonly complaints: readonly string[]) {
    super(`The configuration is not usable:\n${complaints.map((complaint) => `  - ${complaint}`).join('\n')}`);
  }
}

/**
 * Reads every setting from environment variables. Outside production, secrets that are missing are made once and kept
 * in the data directory. Throws one {@link ConfigError} that names every bad variable, or a {@link StartError} where that
 * directory cannot be used.
 */
export function loadConfig(environment: Environment, options: LoadOptions = {}): AppConfig {
  const complaints: string[] = [];
  return configOf(withFiles(environment, complaints), complaints, options);
}

/** The same from values by the names of their variables, which may have their own types. What is undefined is not set. */
export function configOf(
  values: Readonly<Record<string, unknown>>,
  complaints: string[] = [],
  { isServing = true, isMigrating = false }: LoadOptions = {},
): AppConfig {
  const variables = Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
  const { NODE_ENV: environment, PORT: port } = variables;
  const isProduction = environment === 'production';

  const config = plainToInstance(
    AppConfig,
    {
      COOKIE_SECURE: isProduction ? 'on' : 'off',
      SWAGGER: isProduction ? 'off' : 'on',
      ...limitsFor(isProduction),
      ...(isLinkablePort(port) && { PUBLIC_URL: `http://localhost:${String(port)}` }),
      // Otherwise the first login would disclose what registering does not.
      ...(isOff(variables['REGISTRATION_DISCLOSURE']) && { EMAIL_VERIFICATION: 'required' }),
      ...variables,
    },
    { excludeExtraneousValues: true, exposeDefaultValues: true },
  );
  for (const { constraints = {} } of validateSync(config)) {
    complaints.push(...Object.values(constraints).slice(0, 1));
  }

  if (isServing) {
    complaints.push(...complaintsAboutBrand(config, isProduction));
    complaints.push(...complaintsAboutSecret('JWT_SECRET', config.jwtSecrets, isProduction));
    complaints.push(...complaintsAboutSecret('REFRESH_TOKEN_SECRET', config.refreshTokenSecrets, isProduction));
  }
  if (!config.databaseUrl && config.migrationDatabaseUrl && !isMigrating) {
    complaints.push('DATABASE_URL is required where MIGRATION_DATABASE_URL is set: that one only migrates');
  } else if (isProduction && !config.databaseUrl && !config.migrationDatabaseUrl) {
    complaints.push('DATABASE_URL is required in production, such as postgres://user:password@host:5432/latchkey');
  }
  if (isProduction && !config.hasRateLimits) {
    complaints.push('RATE_LIMIT must be on in production: off is for benchmarks and tests');
  }
  if (!isReachedUnder(config)) {
    complaints.push('VISIT_COOKIE_DOMAIN must be the host of PUBLIC_URL or a domain above it: browsers take no other');
  }
  if (!config.disclosesRegistration && config.emailVerification !== 'required') {
    complaints.push('EMAIL_VERIFICATION must be required where REGISTRATION_DISCLOSURE is off');
  }
  if (isServing && isProduction && config.emailVerification === 'required' && config.smtpUrl === undefined) {
    complaints.push('SMTP_URL is required in production where EMAIL_VERIFICATION is required');
  }
  if (complaints.length > 0) {
    throw new ConfigError(complaints);
  }
  if (isServing && !isProduction) {
    // For secrets, mails and the embedded database, any of which may be needed at any time.
    prepareFolder(config.dataDir);
  }
  return isServing ? withKeptSecrets(config) : config;
}

// Port 0 is any free one, which no link can name.
const isLinkablePort = (port: unknown): boolean => /^[1-9]\d*$/.test(String(port)) && Number(port) < 65_536;

function isReachedUnder({ visitCookieDomain: domain, publicUrl }: AppConfig): boolean {
  if (domain === undefined || !URL.canParse(publicUrl)) {
    return true;
  }
  const { hostname } = new URL(publicUrl);
  return hostname === domain || hostname.endsWith(`.${domain}`);
}

const isOff = (value: unknown): boolean => ['off', 'false', '0'].includes(String(value).toLowerCase());

/** The same settings, on another database. */
export function onDatabase(config: AppConfig, databaseUrl: string): AppConfig {
  return Object.assign(new AppConfig(), config, { databaseUrl });
}

// An empty variable is one that is not set: compose files and CI systems pass those along.
function withFiles(environment: Environment, complaints: string[]): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment)) {
    if (value !== undefined && value !== '') {
      variables[name] = value;
    }
  }
  if (variables['TRUST_PROXY']?.toLowerCase() === 'off') {
    delete variables['TRUST_PROXY'];
  }
  for (const name of FILE_VARIANTS) {
    const path = variables[`${name}_FILE`];
    if (path === undefined) {
      continue;
    }
    if (variables[name] !== undefined) {
      complaints.push(`${name} and ${name}_FILE are both set; keep one`);
      continue;
    }
    try {
      variables[name] = readFileSync(path, 'utf8').trim();
    } catch {
      complaints.push(`${name}_FILE names a file that cannot be read`);
    }
  }
  return variables;
}

function complaintsAboutSecret(name: string, secrets: readonly string[], isProduction: boolean): string[] {
  if (secrets.length === 0) {
    return isProduction
      ? [`${name} is required in production: at least 32 random bytes, e.g. openssl rand -base64 48`]
      : [];
  }
  if (secrets.some((secret) => Buffer.byteLength(secret) < SECRET_MIN_BYTES)) {
    return [`${name} is too short: at least 32 bytes, e.g. openssl rand -base64 48`];
  }
  if (isProduction && secrets.some(isPlaceholder)) {
    return [`${name} looks like a placeholder: make one with openssl rand -base64 48`];
  }
  return [];
}

function isPlaceholder(secret: string): boolean {
  return PLACEHOLDER.test(secret) || new Set(secret).size < SECRET_MIN_DISTINCT_CHARACTERS;
}

function withKeptSecrets(config: AppConfig): AppConfig {
  const keptUnless = (secrets: readonly string[], name: string) =>
    secrets.length > 0 ? secrets : [keepSecret(config.dataDir, name)];
  return Object.assign(new AppConfig(), config, {
    jwtSecrets: keptUnless(config.jwtSecrets, 'jwt-secret'),
    refreshTokenSecrets: keptUnless(config.refreshTokenSecrets, 'refresh-token-secret'),
  });
}
