export type LimitName =
  'login_account' | 'login_address' | 'register_address' | 'token_mail_account' | 'mailed_token_address';

/** Somebody was told to wait. */
export class LimitHit {
  constructor(readonly limit: LimitName) {}
}
