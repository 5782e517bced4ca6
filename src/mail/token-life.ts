import type { TokenPurpose } from './mailed-token.entity.js';

const MINUTE_SECONDS = 60;
const DAY_SECONDS = 86_400;

/**
 * How long a token is good, counted from when its mail was written. Reset and verification live half an hour
 * (NIST SP 800-63B-4); a mail about something that happened is read later.
 */
export const TOKEN_LIFE_SECONDS: Readonly<Record<TokenPurpose, number>> = {
  password_reset: 30 * MINUTE_SECONDS,
  email_verification: 30 * MINUTE_SECONDS,
  email_change: 30 * MINUTE_SECONDS,
  email_undo: 7 * DAY_SECONDS,
  disown: 7 * DAY_SECONDS,
};
