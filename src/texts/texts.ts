import { readdirSync, readFileSync } from 'node:fs';
import Negotiator from 'negotiator';
import { StartError } from '../problems/start-error.js';
import type english from './en.json';
import type { Text } from './phrase.mjs';

/** All texts of one language: those of the page, of the pages of mailed links, and of the mails. */
export type Texts = typeof english;

/** The language of clients that name none of ours, and the one whose texts the others must have too. */
export const DEFAULT_LANGUAGE = 'en';

// As ISO 639-2 has it: "no linguistic content".
const NO_LANGUAGE = 'zxx';

const HEADER_MAX_LENGTH = 500;

/** The texts of the folder, one file for each language. Throws where a language lacks one, or has one too many. */
export function loadTexts(folder: URL): ReadonlyMap<string, Texts> {
  const files = readdirSync(folder).filter((name) => name.endsWith('.json'));
  const all = new Map(files.map((name) => [name.slice(0, -'.json'.length), parse(new URL(name, folder))]));
  const complaints = complaintsAbout(all);
  if (!areComplete(all, complaints)) {
    throw new StartError(
      `The texts are not complete:\n${complaints.map((complaint) => `  - ${complaint}`).join('\n')}`,
    );
  }
  return all;
}

const areComplete = (_: ReadonlyMap<string, unknown>, complaints: readonly string[]): _ is ReadonlyMap<string, Texts> =>
  complaints.length === 0;

function complaintsAbout(all: ReadonlyMap<string, unknown>): string[] {
  const reference = placeholders(all.get(DEFAULT_LANGUAGE), DEFAULT_LANGUAGE);
  return [...all].flatMap(([language, texts]) =>
    differences(reference, placeholders(texts, language)).map((difference) => `${language}.json: ${difference}`),
  );
}

const parse = (file: URL): unknown => JSON.parse(readFileSync(file, 'utf8'));

const isForms = (value: object): value is Exclude<Text, string> => 'other' in value && typeof value.other === 'string';

/** Every text by its path, with the placeholders that it fills; of a text with forms, those of its form "other". */
function placeholders(value: unknown, language: string, path = ''): Map<string, string> {
  if (typeof value === 'string') {
    return new Map([[path, namesIn(value)]]);
  }
  if (typeof value !== 'object' || value === null) {
    return new Map();
  }
  if (isForms(value)) {
    const { pluralCategories } = new Intl.PluralRules(language).resolvedOptions();
    const missing = pluralCategories.filter((category) => !(category in value));
    return new Map([[path, missing.length > 0 ? `no form "${missing.join('" and "')}"` : namesIn(value.other)]]);
  }
  return new Map(
    Object.entries(value).flatMap(([key, inner]) => [
      ...placeholders(inner, language, path === '' ? key : `${path}.${key}`),
    ]),
  );
}

const namesIn = (text: string): string => [...new Set(text.match(/\{\w+\}/g))].toSorted().join(' ');

function differences(reference: ReadonlyMap<string, string>, other: ReadonlyMap<string, string>): string[] {
  return [
    ...[...reference].flatMap(([path, names]) => {
      const found = other.get(path);
      if (found === undefined) return [`${path} is missing`];
      return found === names ? [] : [`${path} has ${found || 'no placeholder'} instead of ${names || 'none'}`];
    }),
    ...[...other.keys()].filter((path) => !reference.has(path)).map((path) => `${path} is no text of ours`),
  ];
}

const TEXTS = loadTexts(new URL('./', import.meta.url));

/** The languages that there are texts in. */
export const LANGUAGES: readonly string[] = [...TEXTS.keys()];

/** The texts of a language; those of the default one for a language that has none. */
export function textsOf(language: string): Texts {
  const texts = TEXTS.get(language) ?? TEXTS.get(DEFAULT_LANGUAGE);
  if (!texts) {
    throw new Error(`There are no texts in ${DEFAULT_LANGUAGE}.`);
  }
  return texts;
}

/**
 * The language of ours that a client names and likes most, by its `Accept-Language`: "de-AT" gets "de". Null where it names
 * none of ours: that any will do (`*`) is no name.
 */
export function namedLanguage(acceptLanguage: string | undefined, languages = LANGUAGES): string | null {
  // Where all are welcome the first one is answered. What is longer than any browser sends is not read whole.
  const headers = { 'accept-language': acceptLanguage?.slice(0, HEADER_MAX_LENGTH) };
  const language = new Negotiator({ headers }).language([NO_LANGUAGE, ...languages]);
  return language === undefined || language === NO_LANGUAGE ? null : language;
}

/** The language of ours that a client likes most; the default one where it names none of ours. */
export const languageFor = (acceptLanguage: string | undefined, languages = LANGUAGES): string =>
  namedLanguage(acceptLanguage, languages) ?? DEFAULT_LANGUAGE;
