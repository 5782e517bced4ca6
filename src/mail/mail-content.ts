import type { AppConfig } from '../config/config.js';
import { phrase } from '../texts/phrase.mjs';
import { DEFAULT_LANGUAGE, type Texts, textsOf } from '../texts/texts.js';
import type { Mail, MailedDevice, MailKind } from './mail.entity.js';
import { MAIL_FORMS, type MailFact } from './mail-kinds.js';
import { addressFor, browserFor } from './strangers-words.js';
import { TOKEN_LIFE_SECONDS } from './token-life.js';

/** What a mail says, in its language, before it is laid out. */
export interface MailContent {
  readonly language: string;
  readonly subject: string;
  /** What happened. */
  readonly said: string;
  readonly facts: readonly (readonly [label: string, value: string])[];
  readonly link: MailLinkContent | null;
  /** What to do if it was another person. */
  readonly otherwise: string;
  /** Who sent it, and what they never ask for. */
  readonly footer: readonly string[];
}

export interface MailLinkContent {
  readonly url: string;
  readonly button: string;
  /** What it does. */
  readonly does: string;
  /** How often and until when it works. */
  readonly works: string;
  /** What to do where the button does not work. */
  readonly copy: string;
}

/** Who sends the mail, and how it looks. */
export type MailBrand = Pick<AppConfig, 'brandName' | 'brandColor' | 'brandLogoUrl' | 'publicUrl'>;

export type WrittenMail = Pick<Mail, 'kind' | 'recipient' | 'details' | 'createdAt' | 'language' | 'isConfirmed'>;
type MailTexts = Texts['mails'];

/** The texts of one kind of mail; the last two where it has a link. */
interface KindTexts {
  readonly subject: string;
  readonly said: string;
  readonly otherwise: string;
  readonly link?: string;
  readonly button?: string;
}

/**
 * What a mail says, in the language of its reader.
 *
 * @param token for the link, where it has one
 * @param brand where links lead is in it: from the settings, never from a request (PW-10)
 */
export function contentOf(mail: WrittenMail, token: string | null, { brandName, publicUrl }: MailBrand): MailContent {
  const language = mail.language ?? DEFAULT_LANGUAGE;
  const { mails } = textsOf(language);
  const kinds: Readonly<Record<MailKind, KindTexts>> = mails.kinds;
  const { subject, said, otherwise, link: does = '', button = '' } = kinds[mail.kind];
  const { facts, link } = MAIL_FORMS[mail.kind];

  const filled = (text: string): string => phrase(language, text, { brand: brandName, site: new URL(publicUrl).host });
  const time = (at: Date): string => phrase(language, mails.time, { time: inUtc(language, at) });
  const values = valuesOf(mail, mails, time);
  return {
    language,
    subject,
    said: filled(said),
    facts: facts.map((fact) => [mails.facts[fact], values[fact]]),
    link:
      link && token !== null
        ? {
            url: `${publicUrl.replace(/\/$/, '')}${link.path}?token=${token}`,
            button,
            does,
            works: phrase(language, mails.works, {
              until: time(endOf(mail.createdAt, TOKEN_LIFE_SECONDS[link.purpose])),
            }),
            copy: mails.copy,
          }
        : null,
    otherwise: filled(otherwise),
    footer: [filled(mails.from), mails.never],
  };
}

/** What stands for each fact. Until the reader is known as the owner, nothing of it may be a stranger's words (ML-01). */
function valuesOf(
  { recipient, details, createdAt, isConfirmed, kind }: WrittenMail,
  texts: MailTexts,
  time: (at: Date) => string,
): Record<MailFact, string> {
  const own = plain(recipient) === null ? texts.thisAddress : addressFor(recipient, isConfirmed);
  // The one that an account has by now was confirmed by its reader.
  const isShown = isConfirmed || kind === 'email_changed';
  const device = requestedBy(details, isConfirmed, texts);
  const ip = details.ip ?? '';
  return {
    account: own,
    address: own,
    email: (isShown ? plain(details.email ?? '') : null) ?? texts.otherAddress,
    loggedOut: deviceOf(details.loggedOut ?? {}, isConfirmed, texts),
    usedBy: device,
    usedFrom: ip,
    receiver: details.receiver ?? '',
    device,
    ip,
    at: time(createdAt),
  };
}

function requestedBy(details: Mail['details'], isConfirmed: boolean, texts: MailTexts): string {
  // Written by the release before where it has words alone.
  return details.browser === undefined
    ? (details.device ?? texts.unknownDevice)
    : deviceOf(details, isConfirmed, texts);
}

function deviceOf({ browser, os, program }: MailedDevice, isConfirmed: boolean, texts: MailTexts): string {
  const name = browserFor({ browser, program }, isConfirmed);
  return name && os ? phrase('', texts.device, { browser: name, os }) : (name ?? os ?? texts.unknownDevice);
}

// Shown only where no mail client can take it for a web page.
const PLAIN_ADDRESS = /^(?!www\.)[a-z0-9._+-]+@[a-z0-9.-]+$/;
const plain = (address: string): string | null => (PLAIN_ADDRESS.test(address) ? address : null);

const endOf = (start: Date, lifeSeconds: number): Date => new Date(start.getTime() + lifeSeconds * 1000);

const inUtc = (language: string, at: Date): string =>
  new Intl.DateTimeFormat(language, {
    dateStyle: 'long',
    timeStyle: 'short',
    hourCycle: 'h23',
    timeZone: 'UTC',
  }).format(at);
