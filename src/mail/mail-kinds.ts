import type { Mail, MailKind } from './mail.entity.js';
import type { TokenPurpose } from './mailed-token.entity.js';
import { TOKEN_LIFE_SECONDS } from './token-life.js';

/**
 * What a mail may name: the account, the address that it went to, another address, the device that was logged out and from
 * where its old key was used, the id of a receiver, and where and when it happened.
 */
export type MailFact =
  'receiver' | 'account' | 'address' | 'email' | 'loggedOut' | 'usedBy' | 'usedFrom' | 'device' | 'ip' | 'at';

/** A link of a mail: what its token is for, and where it leads. */
interface MailLink {
  readonly purpose: TokenPurpose;
  readonly path: string;
}

interface MailForm {
  readonly facts: readonly MailFact[];
  readonly link?: MailLink;
}

const VERIFY = '/auth/email/verify';
const RESET: MailLink = { purpose: 'password_reset', path: '/auth/password/reset' };

/** What each kind of mail shows besides its words, which are in `texts/`. */
export const MAIL_FORMS: Readonly<Record<MailKind, MailForm>> = {
  email_verification: { facts: ['account', 'at'], link: { purpose: 'email_verification', path: VERIFY } },
  email_change: { facts: ['address', 'at'], link: { purpose: 'email_change', path: VERIFY } },
  email_change_requested: { facts: ['account', 'email', 'device', 'ip', 'at'] },
  email_changed: { facts: ['address', 'email', 'at'], link: { purpose: 'email_undo', path: '/auth/email/undo' } },
  email_change_undone: { facts: ['address', 'at'] },
  password_reset: { facts: ['account', 'at'], link: RESET },
  password_changed: { facts: ['account', 'device', 'ip', 'at'] },
  account_exists: { facts: ['account', 'at'], link: RESET },
  account_deleted: { facts: ['account', 'at'] },
  new_device: { facts: ['account', 'device', 'ip', 'at'], link: { purpose: 'disown', path: '/sessions/disown' } },
  refresh_token_reused: { facts: ['account', 'loggedOut', 'usedBy', 'usedFrom', 'at'] },
  sessions_ended_by_staff: { facts: ['account', 'at'] },
  receiver_disabled: { facts: ['receiver', 'at'] },
};

const MOST_WORTH_SECONDS = 3 * 86_400;

/** What a mail's link is for; null where it has none. */
export const purposeOf = ({ kind }: Pick<Mail, 'kind'>): TokenPurpose | null => MAIL_FORMS[kind].link?.purpose ?? null;

/** Every kind of mail. */
export const MAIL_KINDS = Object.keys(MAIL_FORMS).filter((kind): kind is MailKind => kind in MAIL_FORMS);

/** The kinds of mails that carry a link. */
export const LINKED_KINDS: readonly MailKind[] = MAIL_KINDS.filter((kind) => purposeOf({ kind }) !== null);

/** How long each kind of mail is worth sending, counted from when it was written: never longer than its link works. */
export const WORTH_SENDING_SECONDS: readonly (readonly [kind: MailKind, seconds: number])[] = MAIL_KINDS.map((kind) => {
  const purpose = purposeOf({ kind });
  return [kind, Math.min(MOST_WORTH_SECONDS, purpose ? TOKEN_LIFE_SECONDS[purpose] : MOST_WORTH_SECONDS)];
});
