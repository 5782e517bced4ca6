import { readFileSync } from 'node:fs';

/** A file of `public`. */
export const read = (name: string): string => readFileSync(new URL(`public/${name}`, import.meta.url), 'utf8');

/** The look of every page. */
export const PAGE_STYLE = ['look.css', 'forms.css', 'cards.css'].map(read).join('');

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** A text as it stands in HTML, between tags or in an attribute with quotes. */
const escapeHtml = (text: string): string => text.replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? '');

/** Fills each `{{name}}` of a template with a value, escaped. A name without a value is a mistake of ours, and throws. */
export const fill = (template: string, values: Readonly<Record<string, string>>): string =>
  template.replaceAll(/\{\{([\w.]+)\}\}/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) {
      throw new Error(`The page has no value for ${name}.`);
    }
    return escapeHtml(value);
  });

/** Texts by their paths, such as `door.signIn`, for templates. What has plural forms is left out. */
export function byPath(texts: object, path = ''): Record<string, string> {
  return Object.fromEntries(
    Object.entries(texts).flatMap(([key, value]: [string, unknown]) => {
      if (typeof value === 'string') return [[path + key, value]];
      return typeof value === 'object' && value !== null ? Object.entries(byPath(value, `${path}${key}.`)) : [];
    }),
  );
}

/** What a script of the page reads, as it stands inside `<script type="application/json">`. */
export const jsonForScript = (value: unknown): string => JSON.stringify(value).replaceAll('<', String.raw`\u003c`);
