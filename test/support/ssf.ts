import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from 'jose';
import type { Answer, Api } from './api.js';
import { basic, type TestClient } from './clients.js';
import { type Received, TestReceiver } from './receiver.js';
import { until } from './until.js';

export const [PUSH, POLL] = ['urn:ietf:rfc:8935', 'urn:ietf:rfc:8936'] as const;
export const ISSUER = 'http://localhost:3000';
const CAEP = 'https://schemas.openid.net/secevent/caep/event-type';
const SSF = 'https://schemas.openid.net/secevent/ssf/event-type';
export const REVOKED = `${CAEP}/session-revoked`;
export const ESTABLISHED = `${CAEP}/session-established`;
export const CREDENTIAL = `${CAEP}/credential-change`;
export const VERIFICATION = `${SSF}/verification`;
export const UPDATED = `${SSF}/stream-updated`;

/** What a security event token says. */
export interface SecurityEvent {
  readonly jti: string;
  readonly txn: string;
  readonly iat: number;
  readonly sub_id: unknown;
  readonly events: Record<string, Record<string, unknown>>;
}

export interface PollAnswer {
  readonly sets: Record<string, string>;
  readonly moreAvailable: boolean;
}

/** A receiver of shared signals, which knows what every one is told: the address, its credentials and the published keys. */
export class SsfReceiver {
  private readonly keys;

  constructor(
    readonly api: Api,
    readonly client: TestClient,
  ) {
    this.keys = createRemoteJWKSet(new URL(`${api.url}/.well-known/jwks.json`), { cooldownDuration: 0 });
  }

  call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const authorization = basic(this.client);
    return this.api.call(method, `/ssf/${path}`, {
      headers: { authorization, ...headers },
      ...(body !== undefined && { body }),
    });
  }

  async create(settings: Record<string, unknown> = {}): Promise<Record<string, any> & { stream_id: string }> {
    const { status, body } = await this.call('POST', 'streams', settings);
    if (status !== 201) throw new Error(`creating a stream answered ${status}: ${JSON.stringify(body)}`);
    return body;
  }

  /** A stream that is pushed to a server, which takes all of it. */
  async createPushed(settings: Record<string, unknown> = {}, delivery: Record<string, unknown> = {}) {
    const server = await TestReceiver.open();
    server.answer = (_, response) => response.writeHead(202).end();
    const stream = await this.create({
      delivery: { method: PUSH, endpoint_url: server.url, ...delivery },
      events_requested: [REVOKED],
      ...settings,
    });
    return { id: stream.stream_id, stream, server, first: () => this.pushed(server, 1).then(([one]) => one!) };
  }

  /** What was pushed, verified, once there are so many. */
  async pushed(server: TestReceiver, count: number): Promise<SecurityEvent[]> {
    const received = await until(`${count} pushed`, () => server.received.length >= count && [...server.received]);
    return Promise.all(received.map(({ body }: Received) => this.verify(body)));
  }

  setStatus(id: string, status: string, reason?: string): Promise<Answer> {
    return this.call('POST', 'status', { stream_id: id, status, ...(reason !== undefined && { reason }) });
  }

  async statusOf(id: string): Promise<{ status: string; reason?: string }> {
    return (await this.call('GET', `status?stream_id=${id}`)).body;
  }

  async poll(id: string, request: Record<string, unknown> = { returnImmediately: true }): Promise<PollAnswer> {
    const { status, body } = await this.call('POST', `streams/${id}/poll`, request);
    if (status !== 200) throw new Error(`polling answered ${status}: ${JSON.stringify(body)}`);
    return body;
  }

  /** What a poll has, verified, once there are so many. */
  polled(id: string, count: number): Promise<SecurityEvent[]> {
    return until(`${count} to poll`, async () => {
      const { sets } = await this.poll(id);
      const found = Object.entries(sets);
      if (found.length < count) return null;
      return Promise.all(
        found.map(async ([jti, set]) => {
          const event = await this.verify(set);
          if (event.jti !== jti) throw new Error(`the event ${event.jti} is called ${jti}`);
          return event;
        }),
      );
    });
  }

  /** Verifies a token with the published keys, and what holds for every one of them. */
  async verify(token: string): Promise<SecurityEvent> {
    const { payload } = await jwtVerify(token, this.keys, {
      issuer: ISSUER,
      audience: this.client.id,
      typ: 'secevent+jwt',
    });
    const { alg } = decodeProtectedHeader(token);
    const event = payload as unknown as SecurityEvent;
    expect({ ...payload, alg }).toEqual({
      iss: ISSUER,
      aud: this.client.id,
      iat: expect.any(Number),
      jti: expect.stringMatching(/^[\da-f-]{36}$/),
      txn: expect.any(String),
      sub_id: expect.objectContaining({ format: expect.any(String) }),
      events: expect.any(Object),
      alg: 'RS256',
    });
    expect(event.iat).toBeLessThanOrEqual(Date.now() / 1000 + 1);
    expect(Object.keys(event.events)).toHaveLength(1);
    return event;
  }
}

/** Of a security event token, the one event. */
export const typeOf = ({ events }: SecurityEvent): string => Object.keys(events)[0]!;
