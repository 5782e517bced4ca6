import { measurement } from '../http/measurement.js';

interface HashedPassword {
  /** From asking to having it, waiting included. */
  readonly milliseconds: number;
}

/** A password was hashed or verified. */
export const passwordHashed = measurement<HashedPassword>('password-hashed');
