import { Injectable } from '@nestjs/common';
import { DARK_PAPER, onDark } from '../config/brand-color.js';
import { readLogo } from '../config/brand.config.js';
import { AppConfig } from '../config/config.js';
import { fill, read } from './html.js';
import { type StaticFile, staticFile, style } from './static-file.js';

const LOGO_PATH = '/page/logo';

/** The name, logo and colour of the service, as its pages show them. */
@Injectable()
export class Brand {
  readonly name: string;
  /** Where pages load the logo from. */
  readonly logoUrl: string;
  /** The logo that the service serves itself: the one of the settings, or a key in the colour of the brand. */
  readonly logo: StaticFile;
  /** The colours of the brand as custom properties, for light and dark pages. */
  readonly style: StaticFile;
  /** The sources of images for a Content-Security-Policy. */
  readonly imageSources: string;

  constructor(config: AppConfig) {
    const { brandName, brandColor, brandLogoUrl, brandLogoFile } = config;
    this.name = brandName;
    this.logoUrl = brandLogoUrl ?? LOGO_PATH;
    this.imageSources = brandLogoUrl === undefined ? "'self'" : `'self' ${new URL(brandLogoUrl).origin}`;
    this.style = style(styleOf(brandColor));
    const key = {
      type: 'image/svg+xml',
      content: fill(read('key.svg'), { light: brandColor, dark: onDark(brandColor) }),
    };
    const { content, type } = (brandLogoFile === undefined ? null : readLogo(brandLogoFile)) ?? key;
    this.logo = staticFile(content, type);
  }
}

const styleOf = (color: string): string => `:root {
  --accent: ${color};
  --on-accent: #ffffff;
}

@media (prefers-color-scheme: dark) {
  :root {
    --accent: ${onDark(color)};
    --on-accent: ${DARK_PAPER};
  }
}
`;
