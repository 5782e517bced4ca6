import { once } from 'node:events';
import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { BodyTooLargeError } from '../../src/problems/http.errors.js';
import { readableJson, readBody } from '../../src/http/route-body.js';

const LIMIT_BYTES = 8;
const read = (message: IncomingMessage) =>
  readBody({ 'content-type': 'application/json' }, message, readableJson(LIMIT_BYTES));

function messageOf(...chunks: (string | null)[]): IncomingMessage {
  const message = new IncomingMessage(new Socket());
  for (const chunk of chunks) message.push(chunk);
  return message;
}

it('A body that comes in pieces is read whole, where a piece ends within a character too', async () => {
  const [first, second] = [Buffer.from('"é').subarray(0, 2), Buffer.from('"é"').subarray(2)];
  const message = new IncomingMessage(new Socket());
  message.push(first);
  const text = read(message);
  message.push(second);
  message.push(null);
  expect(await text).toBe('"é"');
});

it('A body whose client goes away in the middle is given up', async () => {
  const message = messageOf('{"a":');
  const text = read(message);
  message.destroy();
  await expect(text).rejects.toThrow('went away');
});

it('A body whose client was gone before it is read is given up, and not waited for', async () => {
  const message = messageOf('{"a":').destroy();
  await once(message, 'close');
  await expect(read(message)).rejects.toThrow('went away');
});

it('Of a body that is too long no more is read than shows it', async () => {
  const message = messageOf('12345', '67890');
  expect(await read(message)).toBeInstanceOf(BodyTooLargeError);
  message.push('rest');
  expect(message.isPaused()).toBe(true);
  expect(message.readableLength).toBe(4);
});
