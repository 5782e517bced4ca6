import { createHash } from 'node:crypto';
import { isIPv4 } from 'node:net';
import { parse } from 'bowser';
import { LRUCache } from 'lru-cache';
import type { RequestSource } from '../common/request-source.js';
import { networkOf } from '../limits/network.js';

export const DEVICE_TYPES = ['desktop', 'mobile', 'tablet', 'bot', 'other'] as const;
type DeviceType = (typeof DEVICE_TYPES)[number];

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

/** Reads a user agent. One that says nothing known gets its first product name, such as "curl", or "Unknown device". */
export const describeDevice = (userAgent: string): DeviceLabel => labels.memo(userAgent);

function readUserAgent(userAgent: string): DeviceLabel {
  const parsed = userAgent === '' ? null : parse(userAgent);
  const browser = parsed?.browser.name || productOf(userAgent);
  const os = parsed?.os.name || null;
  return {
    label: [browser, os].filter(Boolean).join(' on ') || 'Unknown device',
    browser,
    os,
    type: DEVICE_TYPES.find((type) => type === parsed?.platform.type) ?? 'other',
  };
}

const productOf = (userAgent: string): string | null => /^([\w.-]{1,40})(?:\/|$)/.exec(userAgent)?.[1] ?? null;

/**
 * What makes a device look like one that was here before: browser, system and the neighbourhood of its address (IPv4 /24,
 * IPv6 /64), but no version, which changes by itself. 16 bytes that tell nobody the address.
 */
export function fingerprintOf({ userAgent, ip }: Pick<RequestSource, 'userAgent' | 'ip'>): Buffer {
  const { browser, os, type } = describeDevice(userAgent);
  const network = isIPv4(ip) ? ip.split('.').slice(0, 3).join('.') : networkOf(ip);
  return createHash('sha256')
    .update(JSON.stringify([browser, os, type, network]))
    .digest()
    .subarray(0, 16);
}
