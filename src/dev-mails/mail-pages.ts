import { readFileSync } from 'node:fs';
import type { Address } from 'postal-mime';
import type { MailFile } from './mail-files.js';

/** A file of `public`. */
export const read = (name: string): string => readFileSync(new URL(`public/${name}`, import.meta.url), 'utf8');

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escape = (text: string): string => text.replaceAll(/[&<>"]/g, (character) => ENTITIES[character] ?? '');
const LINK = /https?:\/\/[^\s<>"]+/g;

/** All mails, the newest first. */
export function listPage(mails: readonly MailFile[], folder: string): string {
  const empty =
    '<p class="empty">No mails yet: register at <a href="/">the page</a> or in <a href="/docs">Swagger UI</a>, and the mail is here.</p>';
  const items = mails.map(
    ({ name, email }) => `<li><a href="/dev/mails/${encodeURIComponent(name)}">
      <strong>${escape(email.subject ?? '(no subject)')}</strong>
      <span>to ${escape(addressesOf(email.to))}</span> ${timeOf(email.date)}</a></li>`,
  );
  return page(
    'Mails',
    `<h1>Mails</h1>
     <p>What the service would have sent: there is no <code>SMTP_URL</code>, so each mail is a file in
     <code>${escape(folder)}</code>. This page shows a new one by itself.</p>
     ${items.length > 0 ? `<ol>${items.join('')}</ol>` : empty}`,
    true,
  );
}

/** One mail as its reader sees it, and its text part. */
export function mailPage({ name, path, email }: MailFile): string {
  const subject = email.subject ?? '(no subject)';
  const address = `/dev/mails/${encodeURIComponent(name)}`;
  return page(
    subject,
    `<p><a href="/dev/mails">All mails</a></p>
     <h1>${escape(subject)}</h1>
     <dl>
       <dt>From</dt><dd>${escape(addressesOf(email.from ? [email.from] : []))}</dd>
       <dt>To</dt><dd>${escape(addressesOf(email.to))}</dd>
       <dt>Time</dt><dd>${timeOf(email.date)}</dd>
       <dt>File</dt><dd><a href="${address}/source">${escape(path)}</a></dd>
     </dl>
     ${email.html === undefined ? '' : `<iframe src="${address}/html" title="The mail" sandbox="allow-popups allow-popups-to-escape-sandbox"></iframe>`}
     <h2>Text part</h2>
     <pre>${withLinks(email.text ?? '(none)')}</pre>`,
    false,
  );
}

const page = (title: string, body: string, reloads: boolean): string => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(title)}</title>
<link rel="stylesheet" href="/dev/mails/mails.css">
${reloads ? '<script type="module" src="/dev/mails/mails.mjs"></script>' : ''}
<main>${body}</main>
</html>`;

const addressesOf = (addresses: readonly Address[] = []): string =>
  addresses.map(({ name, address }) => (name ? `${name} <${address}>` : (address ?? ''))).join(', ');

const timeOf = (date: string | undefined): string =>
  date === undefined ? '' : `<time datetime="${escape(date)}">${escape(new Date(date).toLocaleString('en-GB'))}</time>`;

function withLinks(text: string): string {
  let end = 0;
  let html = '';
  for (const { 0: link, index } of text.matchAll(LINK)) {
    html += `${escape(text.slice(end, index))}<a href="${escape(link)}" target="_blank">${escape(link)}</a>`;
    end = index + link.length;
  }
  return html + escape(text.slice(end));
}
