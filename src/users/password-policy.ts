import { dictionary } from '@zxcvbn-ts/language-common';
import { InvalidFieldError } from '../http/validation.js';

export const PASSWORD_MAX_LENGTH = 128;
// More than any character is composed of.
const UNITS_OF_A_CHARACTER = 8;
const PRODUCT_NAME = 'latchkey';

const COMMON_PASSWORDS = new Set(dictionary['passwords-common'].map((password) => password.toLowerCase()));

/** A password that must not be set. The message says why (NIST SP 800-63B-4, 3.1.1.2). */
class UnacceptablePasswordError extends InvalidFieldError {}

/** Code points after normalisation: what a person would count. */
const passwordLength = (password: string): number => [...password.normalize('NFC')].length;

/**
 * Whether a password is longer than any we would hash. What cannot be short is not normalised: marks in the wrong order
 * cost the square of their number (IN-07).
 */
export const isTooLong = (password: string): boolean =>
  password.length > PASSWORD_MAX_LENGTH * UNITS_OF_A_CHARACTER || passwordLength(password) > PASSWORD_MAX_LENGTH;

/**
 * Throws {@link UnacceptablePasswordError} for a password that is too short, common, or known from the account itself.
 * Any composition is welcome; the whole string is compared, ignoring case (ASVS 6.2.4, 6.2.5, 6.2.11).
 */
export function requireAcceptablePassword(
  password: string,
  { email, minLength, field }: { email: string; minLength: number; field: string },
): void {
  if (passwordLength(password) < minLength) {
    throw new UnacceptablePasswordError(field, `must have at least ${minLength} characters`);
  }
  const folded = password.normalize('NFC').toLowerCase();
  if (COMMON_PASSWORDS.has(folded)) {
    throw new UnacceptablePasswordError(field, 'is among the most common passwords; attackers try those first');
  }
  if (folded === PRODUCT_NAME) {
    throw new UnacceptablePasswordError(field, 'is the name of this service');
  }
  if (folded === email || folded === email.split('@')[0]) {
    throw new UnacceptablePasswordError(field, 'is part of the e-mail address');
  }
}
