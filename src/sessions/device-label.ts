import { parse } from 'bowser';

export const DEVICE_TYPES = ['desktop', 'mobile', 'tablet', 'bot', 'other'] as const;
type DeviceType = (typeof DEVICE_TYPES)[number];

/** What a user agent says about the device. Every part may be missing. */
export interface DeviceLabel {
  /** What a person reads: "Firefox on Windows". */
  readonly label: string;
  readonly browser: string | null;
  readonly os: string | null;
  readonly type: DeviceType;
}

/** Reads a user agent. One that says nothing known gets its first product name, such as "curl", or "Unknown device". */
export function describeDevice(userAgent: string): DeviceLabel {
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
