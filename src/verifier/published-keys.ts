import { createLocalJWKSet, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';

const PAUSE_MS = 250;

interface Keys {
  readonly find: JWTVerifyGetKey;
  readonly ids: ReadonlySet<unknown>;
  readonly readAt: number;
}

/**
 * The keys that Latchkey publishes, kept for as long as they may be. Where a token names one that is not known they are read
 * again, four times a second at most: all such tokens wait for the same reading, which begins after they arrived.
 */
export class PublishedKeys {
  private keys: Keys | null = null;
  private lastBeganAt = -Infinity;
  private reading: Promise<Keys> | null = null;
  /** A reading that has not begun. */
  private next: Promise<Keys> | null = null;

  constructor(
    private readonly readKeys: () => Promise<JSONWebKeySet>,
    private readonly maxAgeMs: number,
  ) {}

  /** Whether a key is published, by what was read and may still be used. */
  isKnown(keyId: string): boolean {
    return this.current()?.ids.has(keyId) === true;
  }

  /** Finds the key of a token that names this one, read again where it is not known. Throws as reading does. */
  async finderFor(keyId: string): Promise<JWTVerifyGetKey> {
    const keys = this.current() ?? (await (this.reading ?? this.readNext()));
    return (keys.ids.has(keyId) ? keys : await this.readNext()).find;
  }

  /** Reads them, whether or not they are known. */
  async readNow(): Promise<void> {
    await this.readNext();
  }

  private current(): Keys | null {
    const { keys } = this;
    const age = keys ? performance.now() - keys.readAt : Infinity;
    if (age > this.maxAgeMs / 2 && age < this.maxAgeMs && !this.reading && !this.next) {
      // Read ahead, so that nobody waits for it, nor notices if Latchkey is away just then. It reports its failure itself.
      this.readNext().catch(() => undefined);
    }
    return age < this.maxAgeMs ? keys : null;
  }

  private readNext(): Promise<Keys> {
    this.next ??= this.wait().then(() => {
      this.next = null;
      this.lastBeganAt = performance.now();
      this.reading = this.read(this.lastBeganAt).finally(() => (this.reading = null));
      return this.reading;
    });
    return this.next;
  }

  /** Until the reading before is over and some time has passed since. */
  private async wait(): Promise<void> {
    await this.reading?.catch(() => undefined);
    const pause = this.lastBeganAt + PAUSE_MS - performance.now();
    if (pause > 0) {
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }

  private async read(beganAt: number): Promise<Keys> {
    const set = await this.readKeys();
    this.keys = { find: createLocalJWKSet(set), ids: new Set(set.keys.map(({ kid }) => kid)), readAt: beganAt };
    return this.keys;
  }
}
