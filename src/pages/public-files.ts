import { readFileSync } from 'node:fs';

/** The text of a file in `public`. */
export const read = (name: string): string => readFileSync(new URL(`public/${name}`, import.meta.url), 'utf8');
