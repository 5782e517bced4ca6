// The page at /: what is shown when, and what follows from what happens to the sign-in.
import { clearAccount, openPassword, showUser, startAccount } from './account.mjs';
import { LatchkeyClient, UnreachableError } from '../../client.mjs';
import { Devices } from './devices.mjs';
import { $, addToggles, on, onPress, sayConnection, sayDone, sayProblem } from './dom.mjs';
import { openDoor, startDoor } from './door.mjs';
import { History } from './history.mjs';
import { of, problemText, say, settings, texts } from './i18n.mjs';
import { goOn, isBackTooSoon, returnTo, site } from './return-to.mjs';
import { answerSigningOut, asksToSignOut, askToSignOut, startSigningOut } from './signing-out.mjs';

const VIEWS = ['devices', 'history', 'account'];
const SECTIONS = ['loading', 'signing-out', 'signed-out', 'signed-in'];

const client = new LatchkeyClient();
const endedSessions = new History(client);
const devices = new Devices(client, (name) => {
  history.pushState(null, '', '#account');
  showView();
  sayDone(say(texts.unknown.done, { name }));
  openPassword();
});

function show(section) {
  for (const id of SECTIONS) $(id).hidden = id !== section;
  for (const id of ['me', 'sections']) $(id).hidden = section !== 'signed-in';
}

/** Shows the part of the page that the address names, the devices where it names none. */
function showView() {
  const named = location.hash.slice(1);
  const view = VIEWS.includes(named) ? named : VIEWS[0];
  for (const name of VIEWS) {
    $(`view-${name}`).hidden = name !== view;
    const link = document.querySelector(`#sections [href="#${name}"]`);
    if (name === view) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  $(`${view}-heading`).focus();
  if (view === 'history') void endedSessions.open();
  if (view === 'account') void client.reloadUser().catch(() => {});
}

let isStarting = true;
let isAskedToSignOut = asksToSignOut;

/** Says what to do where the site sends back who is signed in: without end, if the page went along. */
function sayCameBack() {
  history.replaceState(null, '', `/${location.hash}`);
  sayProblem(say(texts.cameBack, { site }));
  const link = $('again').querySelector('a');
  link.href = returnTo;
  link.textContent = say(texts.tryAgainAt, { site });
  $('again').hidden = false;
}

on(client, 'signedin', () => {
  const cameBack = isStarting && returnTo !== null && isBackTooSoon();
  if (isAskedToSignOut) {
    show('signing-out');
    askToSignOut(client.user);
    return;
  }
  if (returnTo !== null && !cameBack) {
    $('loading').firstElementChild.textContent = say(texts.goingOn, { site });
    show('loading');
    goOn();
    return;
  }
  const isNewHere = $('signed-in').hidden;
  showUser(client.user);
  if (!isNewHere) return;
  sayProblem('');
  sayDone('');
  devices.clear();
  show('signed-in');
  showView();
  if (cameBack) sayCameBack();
});
on(client, 'user', () => showUser(client.user));
on(client, 'signedout', ({ detail: { reason, wasSignedIn } }) => {
  clearAccount();
  devices.clear();
  sayConnection('');
  sayDone('');
  // A cookie that is no longer good, found at the start, is nothing to report.
  $('again').hidden = true;
  sayProblem(wasSignedIn || reason !== 'invalid_refresh_token' ? of(texts.endings, reason) : '');
  openDoor('sign-in');
  show('signed-out');
  $('door').focus();
  if (isAskedToSignOut) answerSigningOut({ wasSignedIn });
  isAskedToSignOut = false;
});
on(client, 'session', () => devices.reloadSoon());
/** Reads what was missed, and says that all is well again. */
async function catchUp({ isLate = false } = {}) {
  if (!client.isSignedIn) return;
  try {
    if (devices.isStale) await devices.reload();
    sayConnection(isLate ? texts.connection.late : '');
  } catch (error) {
    devices.fail(error);
  }
}

on(client, 'live', ({ detail }) => catchUp(detail));
on(client, 'lost', ({ detail: { error } }) => {
  devices.isStale = true;
  if (error === null) return;
  sayConnection(error instanceof UnreachableError ? unreachableText() : problemText(error));
  // Refused, such as with too many tabs open: the list is there all the same, and comes again and again.
  if (client.isSignedIn && !(error instanceof UnreachableError)) devices.reloadSoon();
});

const unreachableText = () => (navigator.onLine ? texts.connection.unreachable : texts.connection.offline);
on(globalThis, 'offline', () => {
  if (!client.isSignedIn) return;
  devices.isStale = true;
  sayConnection(texts.connection.offline);
});
on(globalThis, 'online', () => catchUp());
on(globalThis, 'hashchange', () => {
  sayProblem('');
  sayDone('');
  showView();
});
/** An address that was confirmed in another tab or window is shown as confirmed when the person comes back. */
function reloadUnconfirmed() {
  const isOpen = client.isSignedIn && !client.user.emailVerified && document.visibilityState === 'visible';
  if (isOpen) void client.reloadUser().catch(() => {});
}

on(document, 'visibilitychange', reloadUnconfirmed);
on(globalThis, 'focus', reloadUnconfirmed);
onPress($('log-out'), () => client.logOut());

$('docs').hidden = !settings.hasDocs;
addToggles();
startDoor(client);
startAccount(client);
startSigningOut(client);
// The service is asked, and not other tabs: its answer sets the cookies again, by which the site knows this browser.
if (!(await client.start({ isFresh: returnTo !== null || asksToSignOut }))) show('signed-out');
isStarting = false;
