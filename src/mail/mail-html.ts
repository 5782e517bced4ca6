import { onDark, onLight } from '../config/brand-color.js';
import type { MailBrand, MailContent, MailLinkContent } from './mail-content.js';

// Mail programs keep no stylesheet for sure, so each element has its own light style; those that know dark mode read the
// rules for it besides. No table, no script, and nothing is loaded but the logo.
const FONT = "font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif";
const FAINT = 'color:#565f5a;font-size:14px;line-height:1.5';

const styleOf = (accentOnDark: string): string =>
  `:root{color-scheme:light dark}@media (prefers-color-scheme:dark){` +
  `.ground{background:#141816!important}.paper{background:#1e2421!important;border-color:#3a443e!important}` +
  `.ink{color:#eef1ee!important}.faint{color:#a9b3ad!important}.accent{color:${accentOnDark}!important}` +
  `.facts{border-color:${accentOnDark}!important}.line{border-color:#3a443e!important}` +
  `.button{background:${accentOnDark}!important;color:#0c1f18!important}}`;

/** A mail as HTML: every word of it is escaped, and its only links are the button and the same address below. */
export function htmlOf(content: MailContent, { brandName, brandColor, brandLogoUrl }: MailBrand): string {
  const { language, subject, said, facts, link, otherwise, footer } = content;
  const accent = onLight(brandColor);
  const logo = brandLogoUrl
    ? `<img src="${escape(brandLogoUrl)}" alt="" height="32" style="height:32px;vertical-align:middle;border:0"> `
    : '';
  return `<!doctype html>
<html lang="${escape(language)}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<meta name="format-detection" content="telephone=no,date=no,address=no,email=no,url=no">
<title>${escape(subject)}</title>
<style>${styleOf(onDark(brandColor))}</style>
</head>
<body class="ground" style="margin:0;padding:16px;background:#f6f5f1">
<div class="paper" lang="${escape(language)}" style="max-width:560px;margin:0 auto;padding:24px;box-sizing:border-box;\
border:1px solid #cfd3cd;border-radius:12px;background:#ffffff;${FONT}">
<p class="accent" style="margin:0 0 16px;color:${accent};font-size:18px;font-weight:600">${logo}${escape(brandName)}</p>
<h1 class="ink" style="margin:0 0 16px;color:#1d2320;font-size:24px;line-height:1.25">${escape(subject)}</h1>
${paragraph(said)}
${factsOf(facts, accent)}
${link ? linkOf(link, accent) : ''}${paragraph(otherwise)}
<hr class="line" style="margin:24px 0 16px;border:0;border-top:1px solid #cfd3cd">
${footer.map((line) => `<p class="faint" style="margin:0 0 8px;${FAINT}">${escape(line)}</p>`).join('\n')}
</div>
</body>
</html>
`;
}

const paragraph = (text: string): string =>
  `<p class="ink" style="margin:0 0 16px;color:#1d2320;font-size:16px;line-height:1.5">${escape(text)}</p>`;

const factsOf = (facts: MailContent['facts'], accent: string): string =>
  `<p class="ink facts" style="margin:0 0 16px;padding:0 0 0 12px;border-left:4px solid ${accent};color:#1d2320;\
font-size:16px;line-height:1.6;overflow-wrap:anywhere">${facts
    .map(([label, value]) => `<span class="faint" style="color:#565f5a">${escape(label)}:</span> ${escape(value)}`)
    .join('<br>\n')}</p>`;

const linkOf = ({ url, button, does, works, copy }: MailLinkContent, accent: string): string =>
  `${paragraph(does)}
<p style="margin:0 0 16px"><a class="button" href="${escape(url)}" style="display:inline-block;padding:12px 20px;\
border-radius:8px;background:${accent};color:#ffffff;font-size:16px;font-weight:600;line-height:1.25;\
text-decoration:none">${escape(button)}</a></p>
${paragraph(works)}
<p class="faint" style="margin:0 0 16px;${FAINT};overflow-wrap:anywhere">${escape(copy)}<br>
<a class="accent" href="${escape(url)}" style="color:${accent}">${escape(url)}</a></p>
`;

const escape = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
