// The texts of the page in the language that the service chose, and how problems and times are said in it.
import { ApiError, SignedOutError, UnreachableError } from '../../client.mjs';
import { phrase } from './phrase.mjs';

/** What the service wrote into the page: the language, its texts, and the settings that the page shows. */
export const { language, texts, settings } = JSON.parse(document.getElementById('page-data').textContent);

export const say = (text, values) => phrase(language, text, values);

/** A problem in words for a person: by its code, or else as the API says it. */
export function problemText(error) {
  if (error instanceof UnreachableError) return texts.unreachable;
  if (error instanceof SignedOutError) return '';
  if (!(error instanceof ApiError)) return texts.unexpected;
  if (error.code === 'too_many_requests' && error.retryAfterSeconds !== null) {
    return say(texts.problems.too_many_requests_until, { count: error.retryAfterSeconds });
  }
  return Object.hasOwn(texts.problems, error.code) ? texts.problems[error.code] : error.message;
}

/** What the API says about one field. Its messages are English, and stand behind the label of the field. */
export function fieldText(label, { field, message }) {
  if (language === 'en') return say(texts.fieldErrors.api, { label, message });
  return /password/i.test(field) ? texts.fieldErrors.password : say(texts.fieldErrors.refused, { label });
}

/** What is said of a reason, or of the code of a problem, that may be newer than these texts. */
export const of = (words, key) => (Object.hasOwn(words, key) ? words[key] : words.unknown);

// The country decides how a time is written: 14:05 or 2:05 PM.
const locale = navigator.languages.find((one) => one.split('-')[0] === language) ?? language;
const relative = new Intl.RelativeTimeFormat(locale, { numeric: 'auto' });
const absolute = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short' });
const UNITS = [
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
];

function ago(text) {
  const seconds = (Date.now() - Date.parse(text)) / 1000;
  const [unit, size] = UNITS.find(([, one]) => seconds >= one) ?? [null];
  return unit ? relative.format(-Math.floor(seconds / size), unit) : texts.devices.justNow;
}

/** A time as it is read aloud. */
export const fullTime = (text) => absolute.format(new Date(text));

/** Writes a text with a time in it that goes on being true: "signed in 5 minutes ago". */
export function timePhrase(text, time) {
  const element = document.createElement('time');
  element.dateTime = time;
  element.title = fullTime(time);
  element.dataset.text = text;
  element.textContent = say(text, { time: ago(time) });
  return element;
}

setInterval(() => {
  for (const element of document.querySelectorAll('time[data-text]')) {
    element.textContent = say(element.dataset.text, { time: ago(element.dateTime) });
  }
}, 20_000);
