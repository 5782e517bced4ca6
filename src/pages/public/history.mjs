// The sessions that ended, and why.
import { $, copyOf, onPress, setText } from './dom.mjs';
import { learnPlaces, withPlace } from './places.mjs';
import { of, problemText, texts, timePhrase } from './i18n.mjs';

const { history: words } = texts;

export class History {
  #client;
  #cursor = null;

  constructor(client) {
    this.#client = client;
    onPress($('history-more'), () => this.#load());
    onPress($('history-again'), () => this.open());
  }

  /** Reads it anew, from the newest. */
  async open() {
    this.#cursor = null;
    $('ended').replaceChildren();
    setText($('history-state'), words.loading);
    $('history-again').hidden = true;
    try {
      await this.#load();
    } catch (error) {
      setText($('history-state'), `${words.failed} ${problemText(error)}`);
      $('history-again').hidden = false;
    }
  }

  async #load() {
    const { items, nextCursor } = await this.#client.listEndedSessions({
      limit: 20,
      cursor: this.#cursor ?? undefined,
    });
    await learnPlaces(
      this.#client,
      items.map(({ ip }) => ip),
    );
    this.#cursor = nextCursor;
    $('ended').append(...items.map(rowOf));
    setText($('history-state'), $('ended').childElementCount === 0 ? words.empty : words.lead);
    $('history-more').hidden = nextCursor === null;
  }
}

function rowOf({ device, ip, endedAt, reason, createdAt }) {
  const { element, part } = copyOf('ended-card');
  element.querySelector('use').setAttribute('href', `#${device.type}`);
  setText(part('title'), device.name ?? device.label);
  setText(part('reason'), of(texts.reasons, reason));
  part('times').replaceChildren(
    timePhrase(words.ended, endedAt),
    ' · ',
    timePhrase(texts.devices.signedIn, createdAt),
    ` · ${withPlace(ip)}`,
  );
  return element;
}
