export type LimitName = 'login_account' | 'login_address' | 'register_address';

/** Somebody was told to wait. */
export class LimitHit {
  constructor(readonly limit: LimitName) {}
}
