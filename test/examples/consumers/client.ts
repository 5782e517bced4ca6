import { LatchkeyClient, memoryStorage, type Session } from 'latchkey/client';

const client = new LatchkeyClient({
  baseUrl: 'https://auth.example.com',
  tokenDelivery: 'body',
  storage: memoryStorage(),
});

export const current = (): Session | null => client.session;
// @ts-expect-error There is no such property: the types are there, and are not any.
export const wrong = client.nothing;
