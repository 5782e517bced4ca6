// What the pages and mails lay under text, as look.css and the mails have it.
export const LIGHT_GROUND = '#f6f5f1';
export const DARK_PAPER = '#1e2421';
const WHITE = '#ffffff';
const BLACK = '#000000';

/** WCAG 2.2, 1.4.3 (AA), for text of any size. */
export const LEAST_CONTRAST = 4.5;

// Thin text shines less on dark ground than the ratio says.
const DARK_CONTRAST = 6.5;

const STEPS = 200;

type Channels = readonly number[];

const channelsOf = (color: string): Channels =>
  [1, 3, 5].map((start) => Number.parseInt(color.slice(start, start + 2), 16) / 255);

const colorOf = (channels: Channels): string =>
  `#${channels
    .map((channel) =>
      Math.round(channel * 255)
        .toString(16)
        .padStart(2, '0'),
    )
    .join('')}`;

function luminance(color: string): number {
  const [red = 0, green = 0, blue = 0] = channelsOf(color).map((channel) =>
    channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4,
  );
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** The contrast ratio of two colours, written `#rrggbb`: from 1 to 21. */
export function contrast(one: string, other: string): number {
  const [lighter = 0, darker = 0] = [luminance(one), luminance(other)].toSorted((a, b) => b - a);
  return (lighter + 0.05) / (darker + 0.05);
}

/** The colour that is nearest to this one on the way to another, and has so much contrast to the ground. */
function towards(color: string, end: string, ground: string, least: number): string {
  const [from, to] = [channelsOf(color), channelsOf(end)];
  for (let step = 0; step < STEPS; step++) {
    const mixed = colorOf(from.map((channel, i) => channel + ((to[i] ?? 0) - channel) * (step / STEPS)));
    if (contrast(mixed, ground) >= least) {
      return mixed;
    }
  }
  return end;
}

/** A darker variant that is readable on the light pages, and under white text. The colour itself, where it is. */
export const onLight = (color: string): string => towards(color, BLACK, LIGHT_GROUND, LEAST_CONTRAST);

/** A lighter variant that is readable on the dark pages, and under dark text. The colour itself, where it is. */
export const onDark = (color: string): string => towards(color, WHITE, DARK_PAPER, DARK_CONTRAST);
