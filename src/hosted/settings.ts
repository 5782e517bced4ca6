import { AppConfig } from '../config/config.js';
import { ConfigError, configOf, loadConfig } from '../config/load-config.js';
import { variableOfSetting } from '../config/setting.decorators.js';

// What the process decides that runs the application.
const OF_THE_PROCESS = [
  'port',
  'host',
  'workers',
  'metricsPort',
  'metricsHost',
  'logLevel',
  'loggedRequests',
  'requestTimeoutMs',
  'shutdownDelayMs',
] as const;
// Its addresses may be the application's.
const DEFAULTS = { hasAccountPage: false, hasSwagger: false };

type SettingName = Exclude<
  keyof AppConfig,
  (typeof OF_THE_PROCESS)[number] | 'isProduction' | 'hasDevMails' | 'settingToName'
>;

/**
 * The settings of the service by their properties. `.env.example` explains each by its variable, which error messages of the
 * service name: `databaseUrl` is DATABASE_URL, `jwtSecrets` JWT_SECRET. The environment is not read.
 */
export type LatchkeySettings = Partial<Pick<AppConfig, SettingName>> & {
  /** In production secrets must be given, cookies are `Secure`, and nothing is for developers. */
  readonly environment: 'development' | 'production' | 'test';
  readonly databaseUrl: string;
  /** Addresses that are left to the application, and all below them, such as `/health`; `/` is that address alone. */
  readonly exclude?: readonly string[];
};

/** Settings from environment variables, for those who want them from there. Throws {@link ConfigError}. */
export const settingsFromEnvironment = (environment: Readonly<Record<string, string | undefined>>): AppConfig =>
  loadConfig({ ACCOUNT_PAGE: 'off', SWAGGER: 'off', ...environment });

/** Throws one {@link ConfigError} that names every bad setting by its property. */
export function configOfSettings(settings: LatchkeySettings | AppConfig): AppConfig {
  if (settings instanceof AppConfig) {
    return settings;
  }
  const { exclude = [], ...given } = { ...DEFAULTS, ...settings };
  const complaints: string[] = [];
  const values: Record<string, unknown> = {};
  for (const [property, value] of Object.entries(given)) {
    const variable = variableOfSetting.get(property);
    if (variable === undefined || OF_THE_PROCESS.some((name) => name === property)) {
      complaints.push(`${property} is no setting of LatchkeyModule`);
    } else {
      values[variable] = value;
    }
  }
  for (const name of ['environment', 'databaseUrl'] as const) {
    if (settings[name] === undefined) complaints.push(`${name} is required`);
  }
  if (!exclude.every((path) => path.startsWith('/'))) {
    complaints.push('exclude must be a list of addresses that begin with /');
  }
  try {
    return configOf(values, complaints);
  } catch (error) {
    throw error instanceof ConfigError ? new ConfigError(error.complaints.map(inProperties)) : error;
  }
}

const propertyOf = new Map([...variableOfSetting].map(([property, variable]) => [variable, property]));

const inProperties = (complaint: string): string =>
  complaint.replaceAll(/\b[A-Z][A-Z\d_]+\b/g, (word) => propertyOf.get(word) ?? word);
