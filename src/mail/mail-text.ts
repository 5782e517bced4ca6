import type { TokenPurpose } from './mailed-token.entity.js';
import type { Mail, MailDetails, MailKind } from './mail.entity.js';
import { TOKEN_LIFE_SECONDS } from './token-life.js';

/** A link of a mail: what its token is for, where it leads, and what its button says. */
interface MailLink {
  readonly purpose: TokenPurpose;
  readonly path: string;
  readonly label: string;
}

/** What a template may say: nothing that a stranger wrote (ML-01). */
interface SaidDetails extends MailDetails {
  /** When it happened, and until when the link works. */
  readonly at: string;
  readonly until: string;
}

interface MailTemplate {
  readonly subject: string;
  readonly link?: MailLink;
  readonly paragraphs: (details: SaidDetails) => readonly string[];
}

const IGNORE = 'If you did not ask for this, do nothing: without the link nothing happens.';

const TEMPLATES: Readonly<Record<MailKind, MailTemplate>> = {
  email_verification: {
    subject: 'Confirm your e-mail address',
    link: { purpose: 'email_verification', path: '/auth/email/verify', label: 'Confirm my address' },
    paragraphs: ({ until }) => [
      `Somebody, most likely you, signed up with this address. Confirm it before ${until}.`,
      IGNORE,
    ],
  },
  email_change: {
    subject: 'Confirm your new e-mail address',
    link: { purpose: 'email_change', path: '/auth/email/verify', label: 'Use this address' },
    paragraphs: ({ until }) => [
      `Somebody, most likely you, wants to use this address for their account. Confirm it before ${until}.`,
      IGNORE,
    ],
  },
  email_change_requested: {
    subject: 'Your e-mail address is about to change',
    paragraphs: ({ at, device, ip, email }) => [
      `Your account is to have ${shown(email)}: asked for ${at}, from ${device} at ${ip}. It happens once that address is confirmed.`,
      'If this was not you, change your password now: that also stops this.',
    ],
  },
  email_changed: {
    subject: 'Your e-mail address was changed',
    link: { purpose: 'email_undo', path: '/auth/email/undo', label: 'This was not me: undo it' },
    paragraphs: ({ at, until, email }) => [
      `Your account has ${shown(email)} since ${at}, and no longer this one.`,
      'If that was you, there is nothing to do. If not, this link gives the account its former address back, logs out ' +
        `every device and lets you set a new password. It works until ${until}.`,
    ],
  },
  email_change_undone: {
    subject: 'Your e-mail address was changed back',
    paragraphs: ({ at }) => [`An account that had this address for a while has its former one again, since ${at}.`],
  },
  password_reset: {
    subject: 'Set a new password',
    link: { purpose: 'password_reset', path: '/auth/password/reset', label: 'Set a new password' },
    paragraphs: ({ until }) => [
      `Here is the link to set a new password. It works once, until ${until}, and logs out all your devices.`,
      IGNORE,
    ],
  },
  password_changed: {
    subject: 'Your password was changed',
    paragraphs: ({ at, device, ip }) => [
      `Your password was changed ${at}, from ${device} at ${ip}. Every device was logged out.`,
      'If this was not you, use "forgot password" now.',
    ],
  },
  account_exists: {
    subject: 'You already have an account',
    link: { purpose: 'password_reset', path: '/auth/password/reset', label: 'Set a new password' },
    paragraphs: ({ until }) => [
      'Somebody, most likely you, tried to sign up with this address, which has an account already. Sign in with it, or ' +
        `set a new password with this link, until ${until}.`,
      IGNORE,
    ],
  },
  account_deleted: {
    subject: 'Your account was deleted',
    paragraphs: ({ at }) => [`Your account was deleted ${at}, and every device was logged out.`],
  },
  new_device: {
    subject: 'A new device signed in',
    link: { purpose: 'disown', path: '/sessions/disown', label: 'This was not me' },
    paragraphs: ({ device, ip, at, until }) => [
      `A device that we have not seen before signed in to your account: ${device}, from ${ip}, ${at}.`,
      'If that was you, there is nothing to do. If not, this link logs out every device, takes back a change of address ' +
        `that this device made, and lets you set a new password. It works until ${until}.`,
    ],
  },
  refresh_token_reused: {
    subject: 'A device was logged out for safety',
    paragraphs: ({ device, ip, at }) => [
      `Somebody used an old key of your device ${device} ${at}, from ${ip}. It may have been copied.`,
      'That device was logged out. If you do not know why this happened, change your password.',
    ],
  },
  sessions_ended_by_staff: {
    subject: 'Our staff logged you out',
    paragraphs: ({ at }) => [`Our staff ended sessions of your account ${at}. Sign in again where you need to.`],
  },
};

const MOST_WORTH_SECONDS = 3 * 86_400;

/** What a mail's link is for; null where it has none. */
export const purposeOf = ({ kind }: Pick<Mail, 'kind'>): TokenPurpose | null => TEMPLATES[kind].link?.purpose ?? null;

const KINDS = Object.keys(TEMPLATES).filter((kind): kind is MailKind => kind in TEMPLATES);

/** The kinds of mails that carry a link. */
export const LINKED_KINDS: readonly MailKind[] = KINDS.filter((kind) => purposeOf({ kind }) !== null);

/** How long each kind of mail is worth sending, counted from when it was written: never longer than its link works. */
export const WORTH_SENDING_SECONDS: readonly (readonly [kind: MailKind, seconds: number])[] = KINDS.map((kind) => {
  const purpose = purposeOf({ kind });
  return [kind, Math.min(MOST_WORTH_SECONDS, purpose ? TOKEN_LIFE_SECONDS[purpose] : MOST_WORTH_SECONDS)];
});

const when = (time: Date): string => `on ${time.toISOString().slice(0, 10)} at ${time.toISOString().slice(11, 16)} UTC`;
const timeOf = (time: Date): string => `${time.toISOString().slice(11, 16)} UTC on ${time.toISOString().slice(0, 10)}`;

// The user who asked for it proved to know the password, but not to read this address: it is shown only where no mail
// client can take it for a web page.
const PLAIN_ADDRESS = /^(?!www\.)[a-z0-9._+-]+@[a-z0-9.-]+$/;
const shown = (email = ''): string => (PLAIN_ADDRESS.test(email) ? `the address ${email}` : 'another address');

/**
 * The words of a mail, as text and as HTML.
 *
 * @param token for the link, where it has one
 * @param publicUrl where links lead: from the settings, never from a request (PW-10)
 */
export function wordsOf(
  { kind, details, createdAt }: Mail,
  { token, publicUrl }: { token: string | null; publicUrl: string },
): { subject: string; text: string; html: string } {
  const { subject, link, paragraphs } = TEMPLATES[kind];
  const endsAt = new Date(createdAt.getTime() + (link ? TOKEN_LIFE_SECONDS[link.purpose] : 0) * 1000);
  const said = paragraphs({ ...details, at: when(createdAt), until: timeOf(endsAt) });
  const url = link && token ? `${publicUrl.replace(/\/$/, '')}${link.path}?token=${token}` : null;
  const anchor = url ? `<p><a href="${escape(url)}">${escape(link?.label ?? '')}</a></p>` : '';
  return {
    subject,
    text: [...said.slice(0, 1), ...(url ? [url] : []), ...said.slice(1)].join('\n\n') + '\n',
    html: `<!doctype html><html lang="en"><meta charset="utf-8"><title>${escape(subject)}</title><body>${said
      .map((paragraph, i) => `<p>${escape(paragraph)}</p>${i === 0 ? anchor : ''}`)
      .join('')}</body></html>`,
  };
}

const escape = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
