import type { MailedDevice } from './mail.entity.js';

// A stranger may register another person's address, with words in front of its "@", and sign in with a program that calls
// itself as they like. Until the reader of an address has confirmed it, neither its mails nor the pages of their links
// show such words (ML-01).

/** Enough of an address for its reader to know it by, "a…@example.com"; all of it once they have confirmed it. */
export const addressFor = (address: string, isConfirmed: boolean): string =>
  isConfirmed ? address : address.replace(/(?<=^.).*(?=@)/, '…');

/** The browser of a device; what another program calls itself only once the reader has confirmed the address. */
export const browserFor = (
  { browser, program }: Pick<MailedDevice, 'browser' | 'program'>,
  isConfirmed: boolean,
): string | null => browser ?? (isConfirmed ? program : null) ?? null;
