import { BrandConfig } from './brand.config.js';
import { IntegerSetting, SwitchSetting } from './setting.decorators.js';

/**
 * How often something may be tried in production, by the setting's name. What bounds the wrong passwords of one account
 * is not here: it is the same everywhere.
 */
export const LIMITS = {
  LOGIN_FAILURES_PER_ADDRESS: 20,
  REGISTRATIONS_PER_ADDRESS: 10,
  TOKEN_MAILS_PER_ACCOUNT: 3,
  TOKEN_MAILS_PER_ADDRESS: 20,
  MAILED_TOKENS_PER_ADDRESS: 20,
  REFRESHES_PER_SESSION: 30,
  RENAMES_PER_USER: 30,
  CLIENT_FAILURES_PER_ADDRESS: 20,
  CLIENT_FAILURES_PER_CLIENT: 30,
  UNKNOWN_TOKENS_PER_ADDRESS: 30,
} as const;

/** How often something may be tried. */
export class LimitsConfig extends BrandConfig {
  @SwitchSetting('RATE_LIMIT')
  readonly hasRateLimits: boolean = true;

  /** Wrong passwords per account before each further one has to wait. */
  @IntegerSetting('LOGIN_FREE_FAILURES', { min: 2, max: 100 })
  readonly loginFreeFailures: number = 5;

  /** After the free ones; doubles with each further failure. */
  @IntegerSetting('LOGIN_DELAY_SECONDS', { min: 1, max: 3600 })
  readonly loginDelaySeconds: number = 1;

  @IntegerSetting('LOGIN_MAX_DELAY_SECONDS', { min: 1, max: 86_400 })
  readonly loginMaxDelaySeconds: number = 900;

  /** Wrong passwords in a row, within a day of the first, after which an account waits for the next day. */
  @IntegerSetting('LOGIN_MAX_FAILURES', { min: 2, max: 100 })
  readonly loginMaxFailures: number = 100;

  /** Wrong passwords a minute. */
  @IntegerSetting('LOGIN_FAILURES_PER_ADDRESS', { min: 1, max: 1_000_000 })
  readonly loginFailuresPerAddress: number = LIMITS.LOGIN_FAILURES_PER_ADDRESS;

  /** Tries an hour. */
  @IntegerSetting('REGISTRATIONS_PER_ADDRESS', { min: 1, max: 1_000_000 })
  readonly registrationsPerAddress: number = LIMITS.REGISTRATIONS_PER_ADDRESS;

  /** An hour: requests for a mail with a token. */
  @IntegerSetting('TOKEN_MAILS_PER_ACCOUNT', { min: 1, max: 1_000_000 })
  readonly tokenMailsPerAccount: number = LIMITS.TOKEN_MAILS_PER_ACCOUNT;

  /** An hour: the same, for all accounts together. */
  @IntegerSetting('TOKEN_MAILS_PER_ADDRESS', { min: 1, max: 1_000_000 })
  readonly tokenMailsPerAddress: number = LIMITS.TOKEN_MAILS_PER_ADDRESS;

  /** A minute: tries of tokens that came by mail. */
  @IntegerSetting('MAILED_TOKENS_PER_ADDRESS', { min: 1, max: 1_000_000 })
  readonly mailedTokensPerAddress: number = LIMITS.MAILED_TOKENS_PER_ADDRESS;

  /** A minute. */
  @IntegerSetting('REFRESHES_PER_SESSION', { min: 1, max: 1_000_000 })
  readonly refreshesPerSession: number = LIMITS.REFRESHES_PER_SESSION;

  /** A minute: names given to devices. Each goes to every open stream of the account. */
  @IntegerSetting('RENAMES_PER_USER', { min: 1, max: 1_000_000 })
  readonly renamesPerUser: number = LIMITS.RENAMES_PER_USER;

  /** A minute: wrong credentials of service clients. Right ones are never refused. */
  @IntegerSetting('CLIENT_FAILURES_PER_ADDRESS', { min: 1, max: 1_000_000 })
  readonly clientFailuresPerAddress: number = LIMITS.CLIENT_FAILURES_PER_ADDRESS;

  /** A minute: the same that name one client, from anywhere. */
  @IntegerSetting('CLIENT_FAILURES_PER_CLIENT', { min: 1, max: 1_000_000 })
  readonly clientFailuresPerClient: number = LIMITS.CLIENT_FAILURES_PER_CLIENT;

  /** A minute: tokens to be revoked that are none of ours. */
  @IntegerSetting('UNKNOWN_TOKENS_PER_ADDRESS', { min: 1, max: 1_000_000 })
  readonly unknownTokensPerAddress: number = LIMITS.UNKNOWN_TOKENS_PER_ADDRESS;
}

const TIMES_OUTSIDE_PRODUCTION = 20;

/** The limits that hold where no variable says otherwise: outside production, ones that a person's own trying does not reach. */
export const limitsFor = (isProduction: boolean): Readonly<Record<string, number>> =>
  Object.fromEntries(
    Object.entries(LIMITS).map(([name, limit]) => [name, isProduction ? limit : limit * TIMES_OUTSIDE_PRODUCTION]),
  );
