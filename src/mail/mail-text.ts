import type { TokenPurpose } from './mailed-token.entity.js';
import type { Mail, MailDetails, MailKind } from './mail.entity.js';

/** A link of a mail: what its token is for, where it leads, and what its button says. */
interface MailLink {
  readonly purpose: TokenPurpose;
  readonly path: string;
  readonly label: string;
}

interface MailTemplate {
  readonly subject: string;
  readonly link?: MailLink;
  readonly paragraphs: (details: MailDetails) => readonly string[];
}

const IGNORE = 'If you did not ask for this, do nothing: without the link nothing happens.';

const TEMPLATES: Readonly<Record<MailKind, MailTemplate>> = {
  email_verification: {
    subject: 'Confirm your e-mail address',
    link: { purpose: 'email_verification', path: '/auth/email/verify', label: 'Confirm my address' },
    paragraphs: () => ['Somebody, most likely you, signed up with this address. Confirm it within 30 minutes.', IGNORE],
  },
  email_change: {
    subject: 'Confirm your new e-mail address',
    link: { purpose: 'email_change', path: '/auth/email/verify', label: 'Use this address' },
    paragraphs: () => [
      'Somebody, most likely you, wants to use this address for their account. Confirm it within 30 minutes.',
      IGNORE,
    ],
  },
  email_change_requested: {
    subject: 'Your e-mail address is about to change',
    paragraphs: ({ at, device, ip, email }) => [
      `Your account is to have the address ${email}: asked for ${when(at)}, from ${device} at ${ip}. It happens once that address is confirmed.`,
      'If this was not you, change your password now: that also stops this.',
    ],
  },
  email_changed: {
    subject: 'Your e-mail address was changed',
    paragraphs: ({ at, email }) => [
      `Your account has the address ${email} since ${when(at)}, and no longer this one.`,
      'If this was not you, use the "This was not me" link of our mail about the device that did it.',
    ],
  },
  password_reset: {
    subject: 'Set a new password',
    link: { purpose: 'password_reset', path: '/auth/password/reset', label: 'Set a new password' },
    paragraphs: () => [
      'Here is the link to set a new password. It works once, within 30 minutes, and logs out all your devices.',
      IGNORE,
    ],
  },
  password_changed: {
    subject: 'Your password was changed',
    paragraphs: ({ at, device, ip }) => [
      `Your password was changed ${when(at)}, from ${device} at ${ip}. Every device was logged out.`,
      'If this was not you, use "forgot password" now.',
    ],
  },
  account_exists: {
    subject: 'You already have an account',
    link: { purpose: 'password_reset', path: '/auth/password/reset', label: 'Set a new password' },
    paragraphs: () => [
      'Somebody, most likely you, tried to sign up with this address, which has an account already. Sign in with it, or ' +
        'set a new password with this link, within 30 minutes.',
      IGNORE,
    ],
  },
  account_deleted: {
    subject: 'Your account was deleted',
    paragraphs: ({ at }) => [`Your account was deleted ${when(at)}, and every device was logged out.`],
  },
  new_device: {
    subject: 'A new device signed in',
    link: { purpose: 'disown', path: '/sessions/disown', label: 'This was not me' },
    paragraphs: ({ device, ip, at }) => [
      `A device that we have not seen before signed in to your account: ${device}, from ${ip}, ${when(at)}.`,
      'If that was you, there is nothing to do. If not, this link logs that device out and lets you set a new password.',
    ],
  },
  refresh_token_reused: {
    subject: 'A device was logged out for safety',
    paragraphs: ({ device, ip, at }) => [
      `Somebody used an old key of your device ${device} ${when(at)}, from ${ip}. It may have been copied.`,
      'That device was logged out. If you do not know why this happened, change your password.',
    ],
  },
  sessions_ended_by_staff: {
    subject: 'Our staff logged you out',
    paragraphs: ({ at }) => [`Our staff ended sessions of your account ${when(at)}. Sign in again where you need to.`],
  },
};

const when = (at = ''): string => `on ${at.slice(0, 10)} at ${at.slice(11, 16)} UTC`;

/** What a mail's link is for; null where it has none. */
export const purposeOf = ({ kind }: Mail): TokenPurpose | null => TEMPLATES[kind].link?.purpose ?? null;

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
  const said = paragraphs({ at: createdAt.toISOString(), ...details });
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
