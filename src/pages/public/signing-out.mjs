// Where a site sends a person to sign out. Opening it changes nothing: no site may sign a person out by a link.
import { $, onPress, sayDone } from './dom.mjs';
import { say, texts } from './i18n.mjs';
import { returnTo, site } from './return-to.mjs';

const { signingOut: words } = texts;

/** Whether the address of the page asks for it. */
export const asksToSignOut = new URLSearchParams(location.search).has('sign_out');

export function startSigningOut(client) {
  onPress($('sign-out'), () => client.logOut());
  if (returnTo === null) return;
  $('stay').href = returnTo;
  const back = $('back').querySelector('a');
  back.href = returnTo;
  back.textContent = say(words.back, { site });
}

/** Asks the person who is signed in. */
export function askToSignOut({ email }) {
  $('signing-out-who').textContent = say(words.who, { email });
  $('signing-out-heading').focus();
}

/** The person signed out, or was not signed in: the question is answered, and the address no longer asks it. */
export function answerSigningOut({ wasSignedIn }) {
  history.replaceState(null, '', `/${returnTo === null ? '' : `?return_to=${encodeURIComponent(returnTo)}`}`);
  if (!wasSignedIn) sayDone(words.already);
  $('back').hidden = returnTo === null;
}
