// The service and its pages both use this file: a text reads the same in a mail and in the browser.

/**
 * Fills the placeholders of a text, such as `{email}`. A text with forms, such as `{ one, other }`, is told by
 * `values.count`; numbers are written as the language writes them. A placeholder without a value stays, so that it is seen.
 */
export function phrase(language, text, values = {}) {
  const form =
    typeof text === 'string' ? text : (text[new Intl.PluralRules(language).select(Number(values.count))] ?? text.other);
  return form.replaceAll(/\{(\w+)\}/g, (placeholder, name) => {
    const value = Object.hasOwn(values, name) ? values[name] : placeholder;
    return typeof value === 'number' ? new Intl.NumberFormat(language).format(value) : String(value);
  });
}
