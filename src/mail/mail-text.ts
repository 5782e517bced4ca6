import { contentOf, type MailBrand, type MailContent, type WrittenMail } from './mail-content.js';
import { htmlOf } from './mail-html.js';

/** The words of a mail, as text and as HTML. See {@link contentOf}. */
export function wordsOf(
  mail: WrittenMail,
  token: string | null,
  brand: MailBrand,
): { subject: string; text: string; html: string } {
  const content = contentOf(mail, token, brand);
  return { subject: content.subject, text: textOf(content), html: htmlOf(content, brand) };
}

function textOf({ said, facts, link, otherwise, footer }: MailContent): string {
  const action = link ? [`${link.does}\n${link.works}`, link.url] : [];
  const listed = facts.map(([label, value]) => `${label}: ${value}`).join('\n');
  return `${[said, listed, ...action, otherwise, footer.join('\n')].join('\n\n')}\n`;
}
