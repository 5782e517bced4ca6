export const LIMIT_NAMES = [
  'login_account',
  'login_address',
  'register_address',
  'token_mail_account',
  'mailed_token_address',
] as const;

export type LimitName = (typeof LIMIT_NAMES)[number];

/** Somebody was told to wait. */
export class LimitHit {
  constructor(readonly limit: LimitName) {}
}
