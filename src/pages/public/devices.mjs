// The list of devices that are signed in, live.
import { $, copyOf, on, onPress, onSubmit, sayConnection, sayDone, setText } from './dom.mjs';
import { SignedOutError } from '../../client.mjs';
import { Pauses } from '../../client/pauses.mjs';
import { learnPlaces, withPlace } from './places.mjs';
import { fullTime, problemText, say, texts, timePhrase } from './i18n.mjs';

const DEBOUNCE_MS = 50;

const { devices: words } = texts;

export class Devices {
  /** Whether anything may have happened that is not in the list yet. */
  isStale = true;
  #client;
  #reloading = null;
  #onUnknown;
  #hasFailed = false;
  #pauses = new Pauses();

  /** @param onUnknown what happens after a device that its user does not recognise was logged out; gets its name */
  constructor(client, onUnknown) {
    this.#client = client;
    this.#onUnknown = onUnknown;
    onPress($('log-out-others'), async () => {
      const count = await client.logOutOthers();
      sayDone(say(words.othersLoggedOut, { count }));
      this.reloadSoon();
    });
    onPress($('log-out-all'), () => client.logOutEverywhere());
    onPress($('devices-again'), () => this.reload());
  }

  /** As before anything was loaded. */
  clear() {
    this.isStale = true;
    $('devices').replaceChildren();
    this.#showState({ summary: words.loading });
  }

  reloadSoon() {
    if (this.#reloading !== null) return;
    this.#reloading = setTimeout(() => {
      this.#reloading = null;
      if (this.#client.isSignedIn) void this.reload().catch((error) => this.fail(error));
    }, DEBOUNCE_MS);
  }

  async reload() {
    const sessions = await this.#client.listSessions();
    await learnPlaces(
      this.#client,
      sessions.map(({ ip }) => ip),
    );
    this.#render(sessions);
  }

  /** The list could not be read: what is shown stays, and it is read again after a pause. */
  fail(error) {
    if (error instanceof SignedOutError) return;
    this.isStale = true;
    if ($('devices').childElementCount === 0) this.#showState({ summary: words.failed, canRetry: true });
    sayConnection(problemText(error));
    this.#hasFailed = true;
    void this.#pauses.take().then(() => this.isStale && this.reloadSoon());
  }

  #showState({ summary, canRetry = false, count = 0 }) {
    setText($('summary'), summary);
    $('devices-again').hidden = !canRetry;
    $('devices-actions').hidden = count === 0;
    $('log-out-others').hidden = count < 2;
  }

  #render(sessions) {
    this.isStale = false;
    this.#pauses.reset();
    if (this.#hasFailed) sayConnection('');
    this.#hasFailed = false;
    const count = sessions.length;
    this.#showState({ summary: say(words.count, { count }), count });
    const list = $('devices');
    const cards = new Map([...list.children].map((card) => [card.dataset.id, card]));
    for (const session of sessions) {
      const card = cards.get(session.id) ?? this.#newCard(session);
      cards.delete(session.id);
      fill(card, session);
      if (!card.isConnected) list.append(card);
    }
    for (const card of cards.values()) {
      if (card.contains(document.activeElement)) $('devices-heading').focus();
      card.remove();
    }
  }

  #newCard({ id, device, current }) {
    const { element: card, part } = copyOf('card');
    card.dataset.id = id;
    card.classList.toggle('current', current);
    card.querySelector('use').setAttribute('href', `#${device.type}`);
    part('unknown').hidden = current;
    this.#addRenaming(id, part);
    onPress(part('end'), async () => {
      if (current) {
        await this.#client.logOut();
        return;
      }
      const name = part('title').textContent;
      await this.#end(id);
      sayDone(say(words.loggedOut, { name }));
    });
    onPress(part('unknown'), () => this.#askUnknown(id, part('title').textContent));
    return card;
  }

  #addRenaming(id, part) {
    const form = part('renaming');
    const open = (isOpen) => {
      form.hidden = !isOpen;
      (isOpen ? form.deviceName : part('rename')).focus();
    };
    on(part('rename'), 'click', () => {
      form.deviceName.value = part('title').textContent;
      open(true);
      form.deviceName.select();
    });
    on(part('cancel'), 'click', () => open(false));
    onSubmit(form, async ({ deviceName }) => {
      await this.#client.renameSession(id, deviceName);
      open(false);
      this.reloadSoon();
    });
  }

  async #end(id) {
    await this.#client.revokeSession(id);
    this.reloadSoon();
  }

  async #askUnknown(id, name) {
    setText($('unknown-heading'), say(texts.unknown.heading, { name }));
    const dialog = $('unknown');
    dialog.returnValue = '';
    dialog.showModal();
    await new Promise((resolve) => on(dialog, 'close', resolve, { once: true }));
    if (dialog.returnValue !== 'confirm') return;
    await this.#end(id);
    this.#onUnknown(name);
  }
}

function fill(card, session) {
  const { device, ip, createdAt, lastSeenAt, expiresAt, idleExpiresAt, userAgent, current } = session;
  const part = (name) => card.querySelector(`.${name}`);
  const name = device.name ?? device.label;
  setText(part('title'), name);
  part('badge').hidden = !current;
  setText(part('label'), device.name ? device.label : '');
  part('times').replaceChildren(
    `${say(words.from, { ip: withPlace(ip) })} · `,
    timePhrase(words.signedIn, createdAt),
    ' · ',
    timePhrase(words.seen, lastSeenAt),
  );
  const details = { userAgent: userAgent || words.noUserAgent, address: withPlace(ip) };
  const times = { signedInAt: createdAt, lastSeenAt, idleUntil: idleExpiresAt, expiresAt };
  for (const [field, time] of Object.entries(times)) details[field] = fullTime(time);
  for (const [field, text] of Object.entries(details)) setText(card.querySelector(`[data-field=${field}]`), text);
  part('rename').setAttribute('aria-label', say(words.renameDevice, { name }));
  part('end').setAttribute('aria-label', say(words.logOutDevice, { name }));
}
