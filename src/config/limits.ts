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
} as const;

const TIMES_OUTSIDE_PRODUCTION = 20;

/** The limits that hold where no variable says otherwise: outside production, ones that a person's own trying does not reach. */
export const limitsFor = (isProduction: boolean): Readonly<Record<string, number>> =>
  Object.fromEntries(
    Object.entries(LIMITS).map(([name, limit]) => [name, isProduction ? limit : limit * TIMES_OUTSIDE_PRODUCTION]),
  );
