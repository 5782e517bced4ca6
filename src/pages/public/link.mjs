// Where the link of a mail leads. It says what it is about, and nothing happens before a person presses the button, since
// scanners open links too.

import { phrase } from '../../texts/phrase.mjs';

const $ = (id) => document.getElementById(id);
const main = document.querySelector('main');
const heading = main.querySelector('h1');
const form = main.querySelector('form');
const password = $('new-password');
const { lang } = document.documentElement;
const texts = JSON.parse(main.dataset.texts);
const { purposes, passwordMinLength, hasDevices } = JSON.parse(main.dataset.settings);

const token = new URLSearchParams(location.search).get('token') ?? '';
const address = location.pathname;
// Out of the address bar and this tab's way back. A browser may still keep the address that was opened in its list of
// visited pages, which no page can change: so a token works once, and not for long.
history.replaceState(null, '', address);

// What the link is for, and what the button sends where. "This was not me" goes on with a new password.
let purpose = purposes[0];
let send = { path: address, token };

// --- The API

/** An answer, or null where there is none: offline, or the service does not answer. */
async function post(path, body) {
  try {
    const answer = await fetch(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const text = await answer.text();
    return {
      status: answer.status,
      wait: Number(answer.headers.get('retry-after')),
      body: text ? JSON.parse(text) : {},
    };
  } catch {
    return null;
  }
}

/** What to say of an answer that is neither good nor about the link or the password. */
function trouble(answer) {
  if (!answer) return navigator.onLine ? texts.unreachable : texts.offline;
  if (answer.status === 429) return phrase(lang, texts.tooMany, { count: Math.max(1, Math.ceil(answer.wait / 60)) });
  return answer.status === 503 ? texts.unreachable : texts.failed;
}

// --- What is seen

function say(text) {
  if ($('message').textContent !== text) $('message').textContent = text;
}

function show({ subject = false, question = false, retry = false, devices = false }) {
  $('subject').hidden = !subject;
  form.hidden = !question;
  $('retry').hidden = !retry;
  $('devices').hidden = !(devices && hasDevices);
}

function entitle(title) {
  heading.textContent = title;
  document.title = `${title} · ${document.title.split(' · ').at(-1)}`;
}

/** Says that the link is of no use, and what to do instead. */
function giveUp(title, text) {
  entitle(title);
  say(text);
  show({ devices: true });
  heading.focus();
}

/** Leads on to the site that this began at, by the page that signs in: return-to.mjs kept it there. */
function leadToSite() {
  try {
    const { url, until } = JSON.parse(localStorage.getItem('latchkey-return-to'));
    if (until < Date.now()) return;
    const link = $('devices').querySelector('a');
    link.textContent = phrase(lang, texts.toSite, { site: new URL(url).host });
    link.href = `/?return_to=${encodeURIComponent(url)}`;
  } catch {
    // Nothing is kept, or nothing that can be read.
  }
}

function finish(text) {
  say(text);
  leadToSite();
  show({ devices: true });
  heading.focus();
}

const timeOf = (text) =>
  new Intl.DateTimeFormat(lang, { dateStyle: 'long', timeStyle: 'short' }).format(new Date(text));

function deviceOf({ browser, os, label }) {
  if (browser && os) return phrase(lang, texts.device, { browser, os });
  return browser || os ? label : texts.unknownDevice;
}

function showFacts({ email, expiresAt, session }) {
  const facts = [
    ['account', email],
    ...(session
      ? [
          ['device', deviceOf(session.device)],
          ['ip', session.ip],
          ['at', timeOf(session.createdAt)],
        ]
      : []),
    ['until', timeOf(expiresAt)],
  ];
  $('facts').replaceChildren(
    ...facts.flatMap(([name, value]) => {
      const [term, detail] = [document.createElement('dt'), document.createElement('dd')];
      term.textContent = texts.for[name];
      detail.textContent = value;
      return [term, detail];
    }),
  );
}

function askPassword({ why = '' } = {}) {
  password.disabled = false;
  $('password').hidden = false;
  $('why').hidden = why === '';
  $('why').textContent = why;
}

function refuse(text) {
  $('refusal').textContent = text;
  if (text) password.setAttribute('aria-invalid', 'true');
  else password.removeAttribute('aria-invalid');
  if (text) password.focus();
}

// --- What is done

/** Asks what the link is about. */
async function preview() {
  if (!token) {
    giveUp(texts.incompleteTitle, texts.incomplete);
    return;
  }
  say(texts.loading);
  show({});
  const answer = await post('/auth/links/preview', { token });
  if (answer?.status === 400 || (answer?.status === 200 && !purposes.includes(answer.body.purpose))) {
    giveUp(texts.goneTitle, texts[purpose].gone);
  } else if (answer?.status === 200) {
    open(answer.body);
  } else {
    say(trouble(answer));
    show({ retry: true });
  }
}

function open(link) {
  purpose = link.purpose;
  const { title, does, button } = texts[purpose];
  entitle(title);
  say('');
  $('does').textContent = does;
  $('act').textContent = button;
  showFacts(link);
  // For password managers, which keep the new password under it: none rather than one that is not whole.
  $('username').value = link.emailVerified ? link.email : '';
  if (purpose === 'password_reset') askPassword();
  show({ subject: true, question: true });
}

async function act() {
  refuse('');
  // Long before the service would say so. Counted as it counts: what a person takes for a character.
  if (!password.disabled && [...password.value.normalize('NFC')].length < passwordMinLength) {
    refuse(phrase(lang, texts.passwordShort, { count: passwordMinLength }));
    return;
  }
  say(texts.working);
  const name = purpose === 'email_verification' ? 'password' : 'newPassword';
  const answer = await post(send.path, {
    token: send.token,
    ...(!password.disabled && { [name]: password.value }),
  });
  if (answer?.status === 200 || answer?.status === 204) succeed(answer.body);
  else fail(answer);
}

function succeed({ resetToken }) {
  const { done } = texts[purpose];
  if (resetToken === null) {
    finish(texts.kept);
  } else if (resetToken === undefined) {
    finish(done);
  } else {
    purpose = 'password_reset';
    send = { path: '/auth/password/reset', token: resetToken };
    say(done);
    entitle(texts[purpose].title);
    $('act').textContent = texts[purpose].title;
    $('safe').hidden = true;
    askPassword();
    show({ question: true });
    password.focus();
  }
}

function fail(answer) {
  say('');
  const code = answer?.body.code;
  if (answer?.status === 409) giveUp(texts.goneTitle, texts.taken);
  else if (code === 'validation_failed' && password.disabled) askPassword({ why: texts.passwordChoose });
  else if (code === 'validation_failed') refuse(texts.passwordRefused);
  else if (answer?.status === 400) giveUp(texts.goneTitle, texts[purpose].gone);
  else say(trouble(answer));
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  $('act').disabled = true;
  void act().finally(() => ($('act').disabled = false));
});
// The messages of the browser go away by themselves and are not beside the field.
form.noValidate = true;
password.addEventListener('input', () => refuse(''));
$('toggle').addEventListener('click', () => {
  const isShown = password.type === 'text';
  password.type = isShown ? 'password' : 'text';
  $('toggle').textContent = isShown ? texts.showPassword : texts.hidePassword;
});
$('retry').addEventListener('click', () => void preview());
addEventListener('offline', () => say(texts.offline));
addEventListener('online', () => {
  if ($('message').textContent !== texts.offline && $('message').textContent !== texts.unreachable) return;
  say('');
  if (!$('retry').hidden) void preview();
});

void preview();
