// "Your devices": a client of the public API. The refresh token is a cookie that no script sees; the access token is in
// memory only, here and in the other tabs.

const DEBOUNCE_MS = 50;
const SILENCE_MS = 40_000;
const LONGEST_PAUSE_MS = 30_000;
const ASK_TABS_MS = 200;
const KNOWN_HERE = 'latchkey-signed-in';

const $ = (id) => document.getElementById(id);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const on = (target, event, act) => target.addEventListener(event, act);

const tabs = new BroadcastChannel('latchkey');
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a channel reaches its own origin only
const tellTabs = (message) => tabs.postMessage(message);

/** What the API refused, in the words of its problem. */
class Refusal extends Error {
  constructor({ detail, code, errors }) {
    super(errors?.map(({ message }) => message).join('; ') ?? detail ?? 'Something went wrong.');
    this.code = code;
  }
}

let accessToken = null;
let me = null;
let listening = null;
let door = 'sign-in';
let isListStale = true;
let reloading = null;

// --- The API

async function send(method, path, body) {
  const answer = await fetch(path, {
    method,
    headers: {
      ...(accessToken && { Authorization: `Bearer ${accessToken}` }),
      ...(body && { 'Content-Type': 'application/json' }),
    },
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  return { status: answer.status, body: text === '' ? null : JSON.parse(text) };
}

/** Calls the API, with a fresh access token where this one is over. Null where nobody is signed in any more. */
async function call(method, path, body, { renew = refresh } = {}) {
  let answer = await send(method, path, body);
  if (answer.status === 401 && me) {
    if (answer.body.code === 'invalid_token' && (await renew())) {
      answer = await send(method, path, body);
    }
    if (answer.status === 401) {
      leave(answer.body.code);
      return null;
    }
  }
  if (answer.status >= 400) throw new Refusal(answer.body);
  return answer.body;
}

/**
 * Does what changes the cookie: one tab at a time. Otherwise an answer to a refresh under way could bring the cookie back
 * that a logout in another tab has just taken away.
 */
function inTurn(work) {
  // Missing where the page came by plain http. What can come back there is the cookie of an ended session: good for nothing.
  return navigator.locks ? navigator.locks.request('latchkey-cookie', work) : work();
}

/**
 * Gets an access token by the cookie: one tab at a time, and the others take what it got. Whether somebody is signed
 * in. Throws where the service cannot be reached.
 */
function refresh() {
  const before = accessToken;
  return inTurn(() => (accessToken === before ? refreshInTurn() : accessToken !== null));
}

/** The same, where it is this tab's turn already. */
async function refreshInTurn() {
  const { status, body } = await send('POST', '/auth/refresh');
  if (status === 200) {
    enter(body);
    return true;
  }
  if (status !== 401) throw new Refusal(body);
  leave(body.code);
  return false;
}

// --- Coming and going

/** Somebody is signed in, here or in another tab that tells of it. */
function enter({ accessToken: token, user, session }, { isTold = false } = {}) {
  accessToken = token;
  localStorage.setItem(KNOWN_HERE, 'yes');
  if (!isTold) tellTabs({ accessToken: token, user, session });
  const isNew = me?.session.id !== session.id;
  me = { user, session };
  if (!isNew) return;
  $('who').textContent = user.email;
  $('devices').replaceChildren();
  $('summary').textContent = 'Loading your devices …';
  show('signed-in');
  listening?.abort();
  listening = new AbortController();
  void listen(listening.signal);
}

const ENDINGS = {
  logout: 'You signed out.',
  logout_all: 'You were signed out on all your devices.',
  logout_others: 'You were signed out on another device.',
  revoked_by_user: 'You were signed out on another device.',
  revoked_by_admin: 'Our staff signed you out.',
  user_disabled: 'This account was disabled by our staff.',
  password_changed: 'The password was changed on another device. Sign in with the new one.',
  password_reset: 'The password was reset. Sign in with the new one.',
  refresh_token_reuse: 'We signed you out for safety: somebody may have copied your sign-in.',
  refresh_token_reused: 'We signed you out for safety: somebody may have copied your sign-in.',
  session_limit: 'You were signed out, for you signed in on too many other devices.',
  disowned: 'You were signed out: this device was said not to be yours.',
  account_deleted: 'This account was deleted.',
  expired: 'You were signed out after a long time. Sign in again.',
  session_expired: 'You were signed out after a long time. Sign in again.',
};

/** Nobody is signed in any more, and why: a revocation reason or the code of a problem. */
function leave(reason, { isTold = false } = {}) {
  const wasHere = me !== null;
  listening?.abort();
  [accessToken, me, listening] = [null, null, null];
  localStorage.removeItem(KNOWN_HERE);
  if (!isTold) tellTabs({ left: reason });
  $('who').textContent = '';
  say('connection', '');
  say('message', wasHere || reason !== 'invalid_refresh_token' ? (ENDINGS[reason] ?? 'You were signed out.') : '');
  openDoor('sign-in');
  show('signed-out');
}

on(tabs, 'message', ({ data }) => {
  if (data.wanted) {
    if (me) tellTabs({ accessToken, ...me });
  } else if (data.accessToken) {
    enter(data, { isTold: true });
  } else if (data.left && me) {
    leave(data.left, { isTold: true });
  }
});

// --- The list, live

function reloadSoon() {
  reloading ??= setTimeout(() => {
    reloading = null;
    if (me) void reload().catch(sayUnreachable);
  }, DEBOUNCE_MS);
}

async function reload() {
  const sessions = [];
  let page = { nextCursor: '' };
  while (page?.nextCursor !== null) {
    const cursor = page.nextCursor && `&cursor=${encodeURIComponent(page.nextCursor)}`;
    page = await call('GET', `/sessions?limit=100${cursor}`);
    if (page === null) return;
    sessions.push(...page.items);
  }
  render(sessions);
}

/** Hears what happens to the account's sessions, for as long as this one lasts, and connects again where it must. */
async function listen(signal) {
  let lastEventId = null;
  for (let wait = 500; !signal.aborted; wait = Math.min(wait * 2, LONGEST_PAUSE_MS)) {
    const silence = new AbortController();
    try {
      let watchdog = setTimeout(() => silence.abort(), SILENCE_MS);
      const answer = await fetch('/sessions/events', {
        headers: { Authorization: `Bearer ${accessToken}`, ...(lastEventId && { 'Last-Event-ID': lastEventId }) },
        signal: AbortSignal.any([signal, silence.signal]),
      });
      if (answer.status === 401) {
        const { code } = await answer.json();
        if (code === 'invalid_token' && (await refresh())) continue;
        // Where this tab signed out meanwhile it said so already.
        if (!signal.aborted) leave(code);
        return;
      }
      if (!answer.ok) throw new Refusal(await answer.json());
      wait = 500;
      for await (const { type, id, data, comment } of eventsOf(answer.body)) {
        clearTimeout(watchdog);
        watchdog = setTimeout(() => silence.abort(), SILENCE_MS);
        if (comment) {
          say('connection', comment === 'degraded' ? 'Changes on other devices may show late.' : '');
          // The first one says that from here on nothing is missed.
          if (isListStale) await reload();
          continue;
        }
        lastEventId = id;
        if (type === 'session.revoked' && data.id === me?.session.id) {
          leave(data.reason);
          return;
        }
        reloadSoon();
      }
    } catch (error) {
      if (signal.aborted) return;
      // Refused, such as with too many tabs open: the list is there all the same, and comes again and again.
      if (error instanceof Refusal) await reload().catch(() => {});
      sayUnreachable(error);
    }
    // Whatever was missed is in the list.
    isListStale = true;
    await Promise.race([pause(wait), new Promise((resolve) => addEventListener('online', resolve, { once: true }))]);
  }
}

async function* eventsOf(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split('\n\n');
    rest = blocks.pop();
    for (const block of blocks) {
      const fields = Object.fromEntries(block.split('\n').map((line) => line.split(/: ?(.*)/s, 2)));
      if (fields.data) yield { type: fields.event, id: fields.id, data: JSON.parse(fields.data) };
      else if (fields['']) yield { comment: fields[''] };
    }
  }
}

// --- What is seen

function show(section) {
  for (const id of ['loading', 'signed-out', 'signed-in']) $(id).hidden = id !== section;
  $('who').hidden = section !== 'signed-in';
  $(section).querySelector('h2')?.focus();
}

function say(where, text) {
  if ($(where).textContent !== text) $(where).textContent = text;
}

function sayUnreachable(error) {
  const text = error instanceof Refusal ? error.message : 'You are offline. What you see may be out of date.';
  say('connection', text);
}

const DOORS = {
  'sign-in': { title: 'Sign in', password: 'current-password' },
  'sign-up': { title: 'Sign up', password: 'new-password' },
  forgot: { title: 'Forgot your password?', password: null, button: 'Mail me a link' },
};

function openDoor(name) {
  door = name;
  const { title, button = title, password } = DOORS[name];
  $('door').textContent = title;
  $('enter').textContent = button;
  const form = $('credentials');
  form.querySelector('.password').hidden = password === null;
  form.password.disabled = password === null;
  form.password.autocomplete = password ?? 'off';
  form.password.value = '';
  say('refusal', '');
  for (const turn of document.querySelectorAll('[data-door]')) turn.hidden = turn.dataset.door === name;
}

function render(sessions) {
  isListStale = false;
  say('connection', '');
  const count = sessions.length;
  $('summary').textContent =
    count === 1 ? 'You are signed in on this device only.' : `You are signed in on ${count} devices.`;
  $('log-out-others').hidden = count === 1;
  const list = $('devices');
  const cards = new Map([...list.children].map((card) => [card.dataset.id, card]));
  for (const session of sessions) {
    const card = cards.get(session.id) ?? newCard(session);
    cards.delete(session.id);
    fill(card, session);
    list.append(...(card.isConnected ? [] : [card]));
  }
  for (const card of cards.values()) {
    if (card.contains(document.activeElement)) $('heading').focus();
    card.remove();
  }
}

function newCard({ id, device, current }) {
  const card = $('card').content.cloneNode(true).firstElementChild;
  card.dataset.id = id;
  card.classList.toggle('current', current);
  card.querySelector('use').setAttribute('href', `#${device.type}`);
  const form = card.querySelector('.rename');
  const rename = (isOpen) => {
    form.hidden = !isOpen;
    (isOpen ? form.deviceName : card.querySelector('.name')).focus();
  };
  on(card.querySelector('.name'), 'click', () => {
    form.deviceName.value = card.querySelector('h3').firstChild.textContent;
    rename(true);
    form.deviceName.select();
  });
  on(form.querySelector('.cancel'), 'click', () => rename(false));
  onSubmit(form, async () => {
    await call('PATCH', `/sessions/${id}`, { deviceName: form.deviceName.value });
    rename(false);
    reloadSoon();
  });
  onClick(card.querySelector('.end'), () => (current ? logOut() : call('DELETE', `/sessions/${id}`).then(reloadSoon)));
  return card;
}

function fill(card, { device, ip, createdAt, lastSeenAt, current }) {
  const name = device.name ?? device.label;
  const heading = card.querySelector('h3');
  heading.textContent = name;
  if (current) {
    const badge = document.createElement('span');
    badge.className = 'badge';
    badge.textContent = 'this device';
    heading.append(badge);
  }
  card.querySelector('.label').textContent = device.name ? device.label : '';
  const place = card.querySelector('.place');
  place.replaceChildren(`From ${ip} · signed in `, timeOf(createdAt), ' · seen ', timeOf(lastSeenAt));
  card.querySelector('.name').setAttribute('aria-label', `Rename ${name}`);
  card.querySelector('.end').setAttribute('aria-label', `Log out ${name}`);
}

const words = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });
const UNITS = [
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
];

function timeOf(text) {
  const time = document.createElement('time');
  time.dateTime = text;
  time.title = new Date(text).toLocaleString();
  time.textContent = inWords(text);
  return time;
}

function inWords(text) {
  const seconds = (Date.now() - Date.parse(text)) / 1000;
  const [unit, size] = UNITS.find(([, one]) => seconds >= one) ?? [null];
  return unit ? words.format(-Math.floor(seconds / size), unit) : 'just now';
}

setInterval(() => {
  for (const time of document.querySelectorAll('time')) time.textContent = inWords(time.dateTime);
}, 20_000);

// --- What is done

/** Runs what a button does, once at a time, and says what became of it. */
async function doing(button, work, where = 'message') {
  button.disabled = true;
  say(where, '');
  try {
    await work();
  } catch (error) {
    if (error instanceof Refusal) say(where, error.message);
    else if (error instanceof TypeError) say(where, 'The service cannot be reached. Nothing was changed; try again.');
    else throw error;
  } finally {
    button.disabled = false;
  }
}

const onClick = (button, work) => on(button, 'click', () => void doing(button, work));
const onSubmit = (form, work, where) =>
  on(form, 'submit', (event) => {
    event.preventDefault();
    void doing(form.querySelector('button'), work, where);
  });

const logOut = (path = '/auth/logout', reason = 'logout') =>
  inTurn(async () => {
    await call('POST', path, undefined, { renew: refreshInTurn });
    if (me) leave(reason);
  });

onSubmit(
  $('credentials'),
  async () => {
    const { email, password } = $('credentials');
    if (door === 'forgot') {
      await call('POST', '/auth/password/forgot', { email: email.value });
      say('message', 'If there is such an account, a mail with a link is on its way.');
      return;
    }
    const path = door === 'sign-up' ? '/auth/register' : '/auth/login';
    const answer = await call('POST', path, { email: email.value, password: password.value });
    if (answer.accessToken) {
      say('message', '');
      enter(answer);
    } else {
      openDoor('sign-in');
      say('message', 'We have mailed you a link. Confirm your address with it, then sign in.');
    }
    password.value = '';
  },
  'refusal',
);
for (const turn of document.querySelectorAll('[data-door]')) {
  on(turn, 'click', () => {
    say('message', '');
    openDoor(turn.dataset.door);
    $('credentials').email.focus();
  });
}
onClick($('log-out'), () => logOut());
onClick($('log-out-others'), async () => {
  await call('POST', '/auth/logout-others');
  reloadSoon();
});
onClick($('log-out-all'), () => logOut('/auth/logout-all', 'logout_all'));
on(globalThis, 'offline', () => me && sayUnreachable(null));

/** Who is signed in here? Another tab may know; the cookie does. */
async function start() {
  openDoor('sign-in');
  if (!localStorage.getItem(KNOWN_HERE)) {
    show('signed-out');
    return;
  }
  tellTabs({ wanted: true });
  await pause(ASK_TABS_MS);
  for (let wait = 1000; !me; wait = Math.min(wait * 2, LONGEST_PAUSE_MS)) {
    try {
      if (!(await refresh())) return;
    } catch (error) {
      sayUnreachable(error);
      await pause(wait);
    }
  }
}

void start();
