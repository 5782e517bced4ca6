import { availableParallelism } from 'node:os';
import { IsIn, IsOptional, IsUrl } from 'class-validator';
import { DatabaseConfig } from './database.config.js';
import {
  IntegerSetting,
  IsCookieDomain,
  IsOrigin,
  ListSetting,
  NetworksSetting,
  ProxySetting,
  SwitchSetting,
  TextSetting,
  WorkersSetting,
} from './setting.decorators.js';

const YEAR_SECONDS = 365 * 24 * 3600;
const CLEAR_SITE_DATA = ['cookies,storage', 'storage', 'off'] as const;

/**
 * Every setting, validated once by `loadConfig`. The class is the injection token. A property is named for what it
 * means and carries its unit; the environment variable stands beside it.
 */
export class AppConfig extends DatabaseConfig {
  @TextSetting('NODE_ENV', ['development', 'production', 'test'])
  readonly environment: string = 'development';

  @IntegerSetting('PORT', { min: 0, max: 65535 })
  readonly port: number = 3000;

  /** `localhost` is 127.0.0.1 and ::1. */
  @TextSetting('HOST')
  readonly host: string = 'localhost';

  /** Processes that share the port. */
  @WorkersSetting('WEB_CONCURRENCY')
  readonly workers?: number;

  @TextSetting('DATA_DIR')
  readonly dataDir: string = '.data';

  @IntegerSetting('SESSION_CHECK_TIMEOUT_MS', { min: 50, max: 60_000 })
  readonly sessionCheckTimeoutMs: number = 1000;

  /** The first encrypts signing keys, all decrypt; under HS256 the first signs, all verify. */
  @ListSetting('JWT_SECRET')
  readonly jwtSecrets: readonly string[] = [];

  @TextSetting('JWT_ALGORITHM', ['ES256', 'HS256'])
  readonly jwtAlgorithm: 'ES256' | 'HS256' = 'ES256';

  /** How long a key signs before the next one does. */
  @IntegerSetting('SIGNING_KEY_TTL', { min: 3600, max: 10 * YEAR_SECONDS })
  readonly signingKeyTtlSeconds: number = 7_776_000;

  @TextSetting('JWT_ISSUER')
  readonly jwtIssuer: string = 'latchkey';

  @TextSetting('JWT_AUDIENCE')
  readonly jwtAudience: string = 'latchkey';

  /** The first signs, all verify. */
  @ListSetting('REFRESH_TOKEN_SECRET')
  readonly refreshTokenSecrets: readonly string[] = [];

  // More than 15 minutes would contradict JWT-10.
  @IntegerSetting('ACCESS_TOKEN_TTL', { min: 1, max: 900 })
  readonly accessTokenTtlSeconds: number = 600;

  @IntegerSetting('SESSION_IDLE_TTL', { min: 1, max: YEAR_SECONDS })
  readonly sessionIdleTtlSeconds: number = 604_800;

  @IntegerSetting('SESSION_ABSOLUTE_TTL', { min: 1, max: YEAR_SECONDS })
  readonly sessionAbsoluteTtlSeconds: number = 2_592_000;

  /** For how long after a login the address may be changed without giving the password again. */
  @IntegerSetting('REAUTH_MAX_AGE', { min: 0, max: 86_400 })
  readonly reauthMaxAgeSeconds: number = 300;

  @IntegerSetting('REFRESH_GRACE_SECONDS', { min: 0, max: 300 })
  readonly refreshGraceSeconds: number = 10;

  /** How old the time at which a session was last seen may become before a request writes it anew. */
  @IntegerSetting('LAST_SEEN_SECONDS', { min: 1, max: 86_400 })
  readonly lastSeenSeconds: number = 60;

  @IntegerSetting('MAX_SESSIONS_PER_USER', { min: 1, max: 100_000 })
  readonly maxSessionsPerUser: number = 50;

  /** Event streams that one session may have open on one instance. */
  @IntegerSetting('MAX_STREAMS_PER_SESSION', { min: 1, max: 1000 })
  readonly maxStreamsPerSession: number = 10;

  @IntegerSetting('PASSWORD_MIN_LENGTH', { min: 8, max: 128 })
  readonly passwordMinLength: number = 8;

  @IntegerSetting('PASSWORD_HASH_MEMORY_KIB', { min: 19_456, max: 1_048_576 })
  readonly passwordHashMemoryKib: number = 19_456;

  @IntegerSetting('PASSWORD_HASH_PASSES', { min: 2, max: 20 })
  readonly passwordHashPasses: number = 2;

  /** How many passwords are hashed at once. One core is left for everything else. */
  @IntegerSetting('PASSWORD_HASH_PARALLEL', { min: 1, max: 64 })
  readonly passwordHashParallel: number = Math.max(1, Math.min(4, availableParallelism() - 1));

  /** How many more may wait for their turn before logins are answered 503. */
  @IntegerSetting('PASSWORD_HASH_QUEUE', { min: 0, max: 10_000 })
  readonly passwordHashQueue: number = 100;

  @SwitchSetting('COOKIE_SECURE')
  readonly isCookieSecure: boolean = false;

  @IsIn(CLEAR_SITE_DATA, { message: 'CLEAR_SITE_DATA must be "cookies,storage", "storage" or "off"' })
  @TextSetting('CLEAR_SITE_DATA')
  readonly clearSiteData: (typeof CLEAR_SITE_DATA)[number] = 'cookies,storage';

  @IsOrigin({ each: true, message: 'CORS_ORIGINS must be a list of origins such as https://app.example.com' })
  @ListSetting('CORS_ORIGINS')
  readonly corsOrigins: readonly string[] = [];

  /** Where the page may send a person back to after signing in. */
  @IsOrigin({ each: true, message: 'RETURN_TO_ORIGINS must be a list of origins such as https://app.example.com' })
  @ListSetting('RETURN_TO_ORIGINS')
  readonly returnToOrigins: readonly string[] = [];

  /** Where receivers may be besides the internet. */
  @NetworksSetting('RECEIVER_NETWORKS')
  readonly receiverNetworks: readonly string[] = [];

  /** Whether a cookie that only `/verify` takes is set beside the refresh token's. */
  @SwitchSetting('VISIT_COOKIE')
  readonly hasVisitCookie: boolean = false;

  /** The domain whose hosts all get that cookie. Unset: this host alone. */
  @IsCookieDomain({ message: 'VISIT_COOKIE_DOMAIN must be a domain such as example.com' })
  @TextSetting('VISIT_COOKIE_DOMAIN')
  readonly visitCookieDomain?: string;

  @ProxySetting('TRUST_PROXY')
  readonly trustProxy?: string;

  @SwitchSetting('SWAGGER')
  readonly hasSwagger: boolean = true;

  @SwitchSetting('ACCOUNT_PAGE')
  readonly hasAccountPage: boolean = true;

  @IsUrl(
    { require_tld: false, require_protocol: true, protocols: ['http', 'https'] },
    { message: 'PUBLIC_URL must be an http(s) URL' },
  )
  @TextSetting('PUBLIC_URL')
  readonly publicUrl: string = 'http://localhost:3000';

  @IsUrl(
    { require_tld: false, require_protocol: true, protocols: ['smtp', 'smtps'] },
    { message: 'SMTP_URL must look like smtp://user:password@host:587' },
  )
  @TextSetting('SMTP_URL')
  readonly smtpUrl?: string;

  @IntegerSetting('SMTP_TIMEOUT_MS', { min: 100, max: 60_000 })
  readonly smtpTimeoutMs: number = 10_000;

  @TextSetting('MAIL_FROM')
  readonly mailFrom?: string;

  /** Whether an address is to be confirmed, and whether there is a session before it is. */
  @TextSetting('EMAIL_VERIFICATION', ['required', 'optional', 'off'])
  readonly emailVerification: 'required' | 'optional' | 'off' = 'optional';

  /** Whether registering says that an address is taken. */
  @SwitchSetting('REGISTRATION_DISCLOSURE')
  readonly disclosesRegistration: boolean = true;

  /** After their absolute end. */
  @IntegerSetting('SESSION_RETENTION_DAYS', { min: 0, max: 3650 })
  readonly sessionRetentionDays: number = 90;

  @IntegerSetting('AUDIT_RETENTION_DAYS', { min: 30, max: 3650 })
  readonly auditRetentionDays: number = 365;

  /** Unset: no metrics. */
  @IsOptional()
  @IntegerSetting('METRICS_PORT', { min: 1, max: 65535 })
  readonly metricsPort?: number;

  @TextSetting('METRICS_HOST')
  readonly metricsHost: string = '127.0.0.1';

  @IntegerSetting('BODY_LIMIT_BYTES', { min: 1024, max: 1_048_576 })
  readonly bodyLimitBytes: number = 16_384;

  @IntegerSetting('REQUEST_TIMEOUT_MS', { min: 1000, max: 300_000 })
  readonly requestTimeoutMs: number = 15_000;

  /** From SIGTERM until no connection is accepted: readiness says 503, so that a load balancer uses other instances. */
  @IntegerSetting('SHUTDOWN_DELAY_MS', { min: 0, max: 60_000 })
  readonly shutdownDelayMs: number = 1000;

  @TextSetting('LOG_LEVEL', ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
  readonly logLevel: string = 'info';

  /** Which requests the log has a line of. */
  @TextSetting('LOG_REQUESTS', ['all', 'errors', 'off'])
  readonly loggedRequests: 'all' | 'errors' | 'off' = 'all';

  get isProduction(): boolean {
    return this.environment === 'production';
  }

  /** Whether mails are files for developers, who find them at /dev/mails. */
  get hasDevMails(): boolean {
    return !this.isProduction && this.smtpUrl === undefined;
  }

  /** A setting's name where an answer may say it: to developers, who can change it. */
  settingToName(name: string): string | undefined {
    return this.isProduction ? undefined : name;
  }
}
