import { createHash } from 'node:crypto';
import { isIPv4 } from 'node:net';
import { BROWSER_MAP, OS_MAP, parse } from 'bowser';
import { LRUCache } from 'lru-cache';
import type { RequestSource } from '../http/request-source.js';
import { networkOf } from '../limits/network.js';
import type { MailDetails, MailedDevice } from '../mail/mail.entity.js';

export const DEVICE_TYPES = ['desktop', 'mobile', 'tablet', 'bot', 'other'] as const;
type DeviceType = (typeof DEVICE_TYPES)[number];

// The last four are names that its list has not, and its rules have.
export const BROWSERS = new Set([...Object.values(BROWSER_MAP), 'Miui', 'Opera Touch', 'PlayStation 4', 'SlimerJS']);
const SYSTEMS = new Set(Object.values(OS_MAP));
const LABELS_MAX = 1000;
const LABELS_MAX_BYTES = 1024 * 1024;
const LABEL_BYTES = 200;

/** What a user agent says about the device. Every part may be missing. */
export interface DeviceLabel {
  /** What a person reads: "Firefox on Windows". */
  readonly label: string;
  readonly browser: string | null;
  readonly os: string | null;
  readonly type: DeviceType;
}

// Reading one costs more than all the rest of a request, and many devices have the same.
const labels = new LRUCache<string, DeviceLabel>({
  max: LABELS_MAX,
  maxSize: LABELS_MAX_BYTES,
  sizeCalculation: ({ label }, userAgent) => 2 * (userAgent.length + label.length) + LABEL_BYTES,
  memoMethod: readUserAgent,
});

/**
 * Reads a user agent. A client may send anything, and the result is shown in mails and lists: so only names that the
 * parser knows, or a product such as "curl" at its beginning. Everything else is an "Unknown device".
 */
export const describeDevice = (userAgent: string): DeviceLabel => labels.memo(userAgent);

function readUserAgent(userAgent: string): DeviceLabel {
  const parsed = userAgent === '' ? null : parse(userAgent);
  const browser = knownOf(BROWSERS, parsed?.browser.name) ?? productOf(userAgent);
  const os = knownOf(SYSTEMS, parsed?.os.name);
  return {
    label: labelOf(browser, os),
    browser,
    os,
    type: DEVICE_TYPES.find((type) => type === parsed?.platform.type) ?? 'other',
  };
}

/** What a person reads of a device: "Firefox on Windows". */
export const labelOf = (browser: string | null, os: string | null): string =>
  [browser, os].filter(Boolean).join(' on ') || 'Unknown device';

// The parser takes whatever stands before the last slash for a browser that it does not know.
const knownOf = (names: ReadonlySet<string>, name: string | undefined): string | null =>
  name !== undefined && names.has(name) ? name : null;

// One to three words and no dot, which a reader of mail would make a link of; a version, or nothing, behind it.
const PRODUCT = /^(?=.{1,24}(?:\/|$))([A-Za-z][A-Za-z0-9]*(?:[-_][A-Za-z][A-Za-z0-9]*){0,2})(?:\/\d|$)/;
const productOf = (userAgent: string): string | null => PRODUCT.exec(userAgent)?.[1] ?? null;

/** What a mail may say of a device. What a program calls itself stands apart: it is a stranger's word. */
export function mailedDeviceOf(userAgent: string): Required<MailedDevice> {
  const { browser, os } = describeDevice(userAgent);
  const isKnown = browser === null || BROWSERS.has(browser);
  return { browser: isKnown ? browser : null, os, program: isKnown ? null : browser };
}

/** What a mail may say of where a request came from. */
export const mailDetailsOf = ({ userAgent, ip }: Pick<RequestSource, 'userAgent' | 'ip'>): MailDetails => ({
  device: describeDevice(userAgent).label,
  ...mailedDeviceOf(userAgent),
  ip,
});

/**
 * By what a device is known as one that signed in before: browser, system and the network of its address (IPv4 /24,
 * IPv6 /64), but no version, which changes by itself. 16 bytes that do not reveal the address.
 */
export function fingerprintOf({ userAgent, ip }: Pick<RequestSource, 'userAgent' | 'ip'>): Buffer {
  const { browser, os, type } = describeDevice(userAgent);
  const network = isIPv4(ip) ? ip.split('.').slice(0, 3).join('.') : networkOf(ip);
  return createHash('sha256')
    .update(JSON.stringify([browser, os, type, network]))
    .digest()
    .subarray(0, 16);
}
