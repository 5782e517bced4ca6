// The way back to the site that sent a person here to sign in. Which addresses are allowed is decided by the service.
import { settings } from './i18n.mjs';

const LOOP_MS = 30_000;
const KEEP_MS = 3_600_000;
// Known to link.mjs too.
const KEPT = 'latchkey-return-to';
const SENT = 'latchkey-sent';

/** Where to go on to; null where nobody has to go anywhere. */
export const { returnTo } = settings;
/** Its name, as a person reads it. */
export const site = returnTo === null ? '' : new URL(returnTo).host;

/** Goes on to the site. */
export function goOn() {
  // By the tab: it stays while the tab goes to the site and back.
  sessionStorage.setItem(SENT, JSON.stringify({ site, at: Date.now() }));
  localStorage.removeItem(KEPT);
  // Nobody wants to come back to here by the browser's own button: it would send them on again.
  location.replace(returnTo);
}

/** Whether this tab was sent to the site a moment ago, and is back: the site does not see who is signed in. */
export function isBackTooSoon() {
  const { site: last, at } = JSON.parse(sessionStorage.getItem(SENT) ?? '{}');
  return last === site && Date.now() - at < LOOP_MS;
}

/** Keeps the way for the page of a mailed link, which is opened in another tab. */
export function keepReturnTo() {
  if (returnTo !== null) localStorage.setItem(KEPT, JSON.stringify({ url: returnTo, until: Date.now() + KEEP_MS }));
}
