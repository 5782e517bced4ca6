/** A text, or its forms by the plural categories of its language. */
export type Text = string | ({ readonly other: string } & Readonly<Partial<Record<Intl.LDMLPluralRule, string>>>);

export declare function phrase(
  language: string,
  text: Text,
  values?: Readonly<Record<string, string | number>>,
): string;
