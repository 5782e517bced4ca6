import { ledger } from './ledger.js';
import { until } from './until.js';

export interface StreamEvent {
  readonly type: string;
  readonly id: string;
  readonly data: { id: string; reason?: string; at: string };
}

/** An event stream as a client reads it. */
export class EventStream {
  readonly events: StreamEvent[] = [];
  readonly comments: string[] = [];
  /** When the server ended it, by `performance.now()`; null while it is open. */
  endedAt: number | null = null;

  private constructor(
    readonly response: Response,
    private readonly abort: AbortController,
    private readonly tell: (event: StreamEvent) => void,
  ) {
    void this.read().catch(() => undefined);
  }

  /** Opens one, and waits until nothing is missed any more, or it has ended. */
  static async open(
    { url }: { url: string },
    bearer: string,
    { lastEventId, tell = () => {} }: { lastEventId?: string; tell?: (event: StreamEvent) => void } = {},
  ): Promise<EventStream> {
    const abort = new AbortController();
    const response = await fetch(`${url}/sessions/events`, {
      headers: {
        authorization: `Bearer ${bearer}`,
        ...(lastEventId !== undefined && { 'last-event-id': lastEventId }),
      },
      signal: abort.signal,
    });
    if (response.status !== 200) {
      throw new Error(`the stream answered ${response.status}: ${await response.text()}`);
    }
    const stream = new EventStream(response, abort, tell);
    await until('the stream is open', () => stream.comments.length > 0 || stream.endedAt !== null);
    return stream;
  }

  /** Waits for an event. */
  await(type: string, id?: string): Promise<StreamEvent> {
    return until(`${type} of ${id ?? 'any'}`, () =>
      this.events.find((event) => event.type === type && (id === undefined || event.data.id === id)),
    );
  }

  /** Waits until the server has ended it. Returns its last event. */
  async ended(): Promise<StreamEvent | undefined> {
    await until('the stream ends', () => this.endedAt !== null);
    return this.events.at(-1);
  }

  /** Leaves. */
  close(): void {
    this.abort.abort();
  }

  private async read(): Promise<void> {
    let rest = '';
    for await (const chunk of this.response.body!.pipeThrough(new TextDecoderStream())) {
      const blocks = (rest + chunk).split('\n\n');
      rest = blocks.pop()!;
      for (const block of blocks) this.take(block.split('\n'));
    }
    ledger.note('GET /sessions/events', undefined, 200, JSON.stringify(this.events));
    this.endedAt = performance.now();
  }

  private take(lines: readonly string[]): void {
    const field = (name: string) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
    const comment = field('');
    if (comment !== undefined) this.comments.push(comment);
    const data = field('data');
    if (data !== undefined) {
      const event = { type: field('event') ?? 'message', id: field('id') ?? '', data: JSON.parse(data) };
      this.events.push(event);
      this.tell(event);
    }
  }
}
