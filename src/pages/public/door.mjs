// Signing in and up, and asking for a new password.
import { $, clearErrors, on, onSubmit, sayDone, sayProblem } from './dom.mjs';
import { say, settings, texts } from './i18n.mjs';
import { keepReturnTo, returnTo, site } from './return-to.mjs';

const { account, door: words } = texts;

const DOORS = {
  'sign-in': { title: words.signIn, lead: words.signInLead, button: words.signIn, password: 'current-password' },
  'sign-up': { title: words.signUp, lead: words.signUpLead, button: words.signUp, password: 'new-password' },
  forgot: { title: words.forgot, lead: words.forgotLead, button: words.sendLink, password: null },
};

if (returnTo !== null) {
  DOORS['sign-in'].lead = say(words.goOnLead, { site });
  DOORS['sign-up'].lead = say(words.goOnNewLead, { site });
}

let current = 'sign-in';

/** Shows one of the three forms. What was typed into the field for the address stays. */
export function openDoor(name) {
  current = name;
  const { title, lead, button, password } = DOORS[name];
  const form = $('credentials');
  $('door').textContent = title;
  $('door-lead').textContent = lead;
  $('enter').textContent = button;
  const isNew = name === 'sign-up';
  form.querySelector('.password').hidden = password === null;
  form.querySelector('.rules').hidden = !isNew;
  form.password.disabled = password === null;
  form.password.autocomplete = password ?? 'off';
  form.password.dataset.least = isNew ? form.dataset.passwordLeast : '0';
  form.password.value = '';
  clearErrors(form);
  for (const turn of document.querySelectorAll('[data-shown-at]')) turn.hidden = !turn.dataset.shownAt.includes(name);
}

export function startDoor(client) {
  openDoor('sign-in');
  for (const turn of document.querySelectorAll('[data-door]')) {
    on(turn, 'click', () => {
      sayProblem('');
      sayDone('');
      openDoor(turn.dataset.door);
      $('credentials').email.focus();
    });
  }
  onSubmit($('credentials'), async ({ email, password }) => {
    // Each of these may go on with a mailed link.
    if (current !== 'sign-in') keepReturnTo();
    if (current === 'forgot') {
      await client.request('POST', '/auth/password/forgot', { body: { email } });
      sayDone(words.linkSent, { isMail: true });
    } else if (current === 'sign-in') {
      await client.logIn({ email, password });
    } else if (!(await client.register({ email, password }))) {
      openDoor('sign-in');
      sayDone(words.confirmFirst, { isMail: true });
    } else if (settings.sendsConfirmation) {
      sayDone(account.resent, { isMail: true });
    }
    // What one person typed is not there for the next.
    if (client.isSignedIn) $('credentials').reset();
    else $('credentials').password.value = '';
  });
}
