import { Agent, request } from 'node:http';

interface Contents {
  readonly bearer?: string;
  readonly cookie?: string;
  readonly origin?: string;
  readonly body?: unknown;
}

/** A client for calls that differ each time, which load generators cannot make. */
export class Client {
  private readonly agent: Agent;

  constructor(
    private readonly url: string,
    private readonly connections: number,
  ) {
    this.agent = new Agent({ keepAlive: true, maxSockets: connections });
  }

  call(method: string, path: string, { bearer, cookie, origin, body }: Contents = {}) {
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const headers = {
      ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }),
      ...(cookie !== undefined && { cookie }),
      ...(origin !== undefined && { origin }),
      ...(payload !== undefined && {
        'content-type': 'application/json',
        'content-length': String(Buffer.byteLength(payload)),
      }),
    };
    return new Promise<{ status: number; body: any }>((resolve, reject) => {
      const sent = request(this.url + path, { agent: this.agent, method, headers }, (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          resolve({ status: answer.statusCode ?? 0, body: text === '' ? null : JSON.parse(text) });
        });
      });
      sent.on('error', reject);
      sent.end(payload);
    });
  }

  /** Makes calls on all connections, each at once after the last, until the time is up or they say that they are done. */
  async all(seconds: number, call: (connection: number) => Promise<boolean>): Promise<CallTimes> {
    const times: number[] = [];
    const startedAt = performance.now();
    const endAt = startedAt + seconds * 1000;
    await Promise.all(
      Array.from({ length: this.connections }, async (_, connection) => {
        for (let hasMore = true; hasMore && performance.now() < endAt;) {
          const sentAt = performance.now();
          hasMore = await call(connection);
          times.push(performance.now() - sentAt);
        }
      }),
    );
    const sorted = times.toSorted((x, y) => x - y);
    return {
      calls: times.length,
      seconds: (performance.now() - startedAt) / 1000,
      p50: quantile(sorted, 0.5),
      p99: quantile(sorted, 0.99),
    };
  }

  close(): void {
    this.agent.destroy();
  }
}

export interface CallTimes {
  readonly calls: number;
  readonly seconds: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
}

const quantile = (sorted: readonly number[], q: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0;

export const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((x, y) => x - y);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
};
