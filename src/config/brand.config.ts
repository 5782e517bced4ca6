import { readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { IsUrl, Matches } from 'class-validator';
import { contrast, LEAST_CONTRAST, LIGHT_GROUND, onLight } from './brand-color.js';
import { TextSetting } from './setting.decorators.js';

const LOGO_MAX_BYTES = 262_144;

const LOGO_TYPES: Readonly<Record<string, string>> = {
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.webp': 'image/webp',
};

/** What people are shown: the looks and the name of the service, and where their devices are. */
export class BrandConfig {
  /** Shown in pages, mails and their subjects, so it is plain text of one line. */
  @Matches(/^(?! )[^\p{C}\p{Zl}\p{Zp}<>"]{1,40}(?<! )$/u, {
    message: 'BRAND_NAME must have 1 to 40 characters, without control characters, <, > or "',
  })
  @TextSetting('BRAND_NAME')
  readonly brandName: string = 'Latchkey';

  @Matches(/^#[0-9a-f]{6}$/i, { message: 'BRAND_COLOR must look like #1f6652' })
  @TextSetting('BRAND_COLOR')
  readonly brandColor: string = '#1f6652';

  @IsUrl(
    { require_tld: false, require_protocol: true, protocols: ['http', 'https'], disallow_auth: true },
    { message: 'BRAND_LOGO_URL must be an https URL' },
  )
  @TextSetting('BRAND_LOGO_URL')
  readonly brandLogoUrl?: string;

  @TextSetting('BRAND_LOGO_FILE')
  readonly brandLogoFile?: string;

  /** A file in the format mmdb. Unset: no address has a place. */
  @TextSetting('GEO_DATABASE')
  readonly geoDatabase?: string;
}

/** What is wrong with the brand beyond the form of each setting. */
export function complaintsAboutBrand(config: BrandConfig, isProduction: boolean): string[] {
  const { brandLogoUrl, brandLogoFile } = config;
  const complaints = [...complaintsAboutColor(config.brandColor)];
  if (brandLogoUrl !== undefined && brandLogoFile !== undefined) {
    complaints.push('BRAND_LOGO_URL and BRAND_LOGO_FILE are both set; keep one');
  }
  if (isProduction && brandLogoUrl?.toLowerCase().startsWith('http:')) {
    complaints.push('BRAND_LOGO_URL must be https in production');
  }
  if (brandLogoFile !== undefined && readLogo(brandLogoFile) === null) {
    complaints.push(
      `BRAND_LOGO_FILE must name a readable .svg, .png or .webp file of at most ${LOGO_MAX_BYTES / 1024} KiB`,
    );
  }
  return complaints;
}

// A dark colour always works: on dark pages a lighter variant takes its place.
function complaintsAboutColor(color: string): string[] {
  if (!/^#[0-9a-f]{6}$/i.test(color)) {
    return [];
  }
  const ratio = contrast(color, LIGHT_GROUND);
  // Cut off, not rounded: what is refused must not read as what would do.
  const shown = Math.floor(ratio * 100) / 100;
  return ratio >= LEAST_CONTRAST
    ? []
    : [
        `BRAND_COLOR is too light: its contrast to the light pages (${LIGHT_GROUND}) is ${shown}:1, and text needs ` +
          `${LEAST_CONTRAST}:1 (WCAG AA). A darker one that works is ${onLight(color)}`,
      ];
}

/** A logo and its media type. Null where there is none that a browser could show. */
export function readLogo(path: string): { readonly type: string; readonly content: Buffer } | null {
  const type = LOGO_TYPES[extname(path).toLowerCase()];
  try {
    const content = readFileSync(path);
    return type && content.length > 0 && content.length <= LOGO_MAX_BYTES ? { type, content } : null;
  } catch {
    return null;
  }
}
