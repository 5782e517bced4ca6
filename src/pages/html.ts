import { readFileSync } from 'node:fs';

/** A file of `public`. */
export const read = (name: string): string => readFileSync(new URL(`public/${name}`, import.meta.url), 'utf8');

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
  template.replaceAll(/\{\{(\w+)\}\}/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) {
      throw new Error(`The page has no value for ${name}.`);
    }
    return escapeHtml(value);
  });
