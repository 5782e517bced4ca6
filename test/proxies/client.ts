import { request } from 'node:http';

export type HeaderLines = readonly (readonly [name: string, value: string])[];

interface Sent {
  readonly method?: string;
  /** Line by line, as they are written here. */
  readonly headers?: HeaderLines;
  readonly body?: string | Buffer;
}

export interface Answered {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  /** What JSON said; null otherwise. */
  readonly body: any;
}

/** Sends a request as a client of a proxy, which may be any program: nothing is added to its headers but what must be. */
export function send(url: string, path: string, { method = 'GET', headers = [], body }: Sent = {}): Promise<Answered> {
  const { host } = new URL(url);
  const length = body === undefined ? [] : [['content-length', String(Buffer.byteLength(body))] as const];
  return new Promise((resolve, reject) => {
    const asking = request(
      url,
      { method, path, headers: [['host', host], ...length, ...headers].flat() as unknown as string[], agent: false },
      (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString()));
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            text,
            body: /json/.test(response.headers['content-type'] ?? '') ? JSON.parse(text) : null,
          }),
        );
        response.on('error', reject);
      },
    );
    asking.on('error', reject);
    asking.end(body);
  });
}

export const bearer = (accessToken: string): HeaderLines => [['authorization', `Bearer ${accessToken}`]];

/** What a browser sends with a link that a person follows. */
export const NAVIGATION: HeaderLines = [
  ['accept', 'text/html,application/xhtml+xml,*/*;q=0.8'],
  ['sec-fetch-mode', 'navigate'],
  ['sec-fetch-dest', 'document'],
];
