import { measurement } from '../http/measurement.js';

export const LIMIT_NAMES = [
  'login_account',
  'login_address',
  'register_address',
  'token_mail_account',
  'token_mail_address',
  'email_change_account',
  'mailed_token_address',
  'rename_account',
  'export_account',
  'client_address',
  'client_id',
  'unknown_token_address',
] as const;

export type LimitName = (typeof LIMIT_NAMES)[number];

/** A request was refused by a limit. */
export const limitHit = measurement<{ readonly limit: LimitName }>('limit-hit');
