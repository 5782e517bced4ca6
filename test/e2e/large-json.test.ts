import type { IncomingMessage } from 'node:http';
import { type CanActivate, Controller, type ExecutionContext, Module, Post, UseGuards } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { ArrayMaxSize, IsString } from 'class-validator';
import { LargeJsonBody, TakesLargeJson } from '../../src/http/large-json.js';
import { Public } from '../../src/http/public.decorator.js';
import { defineProblem } from '../../src/problems/problem.js';
import { useApp } from '../support/app.js';
import { expectProblem } from '../support/problem.js';
import { raw } from '../support/raw.js';
import { until } from '../support/until.js';

const LIMIT_BYTES = 200_000;

class TextsDto {
  @IsString({ each: true })
  @ArrayMaxSize(500)
  readonly texts!: string[];
}

const NoSecretError = defineProblem('no_secret', 401, 'There is no secret.');

let readBeforeGuard: number[] = [];
let lastMessage: IncomingMessage | undefined;

class SecretGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { headers, raw: message } = context.switchToHttp().getRequest<FastifyRequest>();
    lastMessage = message;
    readBeforeGuard.push(message.readableFlowing === null ? 0 : 1);
    if (headers['x-secret'] !== 'open') {
      throw new NoSecretError();
    }
    return true;
  }
}

@Public()
@Controller('texts')
class TextsController {
  @Post()
  @TakesLargeJson(TextsDto, { limitBytes: LIMIT_BYTES, maxMembers: 1000 })
  @UseGuards(SecretGuard)
  count(@LargeJsonBody(TextsDto) { texts }: TextsDto) {
    return { length: texts.length };
  }
}

@Module({ controllers: [TextsController] })
class TextsModule {}

const t = useApp({}, {}, { modules: [TextsModule] });

beforeEach(() => {
  readBeforeGuard = [];
});

const OPEN = { 'content-type': 'application/json', 'x-secret': 'open' };
const texts = (count: number, length = 100) => JSON.stringify({ texts: Array(count).fill('x'.repeat(length)) });
const send = (body: string | undefined, headers: Record<string, string> = OPEN) =>
  t.api.call('POST', '/texts', { headers, ...(body !== undefined && { body }) });

it('A route may take JSON beyond the limit of all others, of more members than they', async () => {
  expect(await send(texts(500, 300))).toMatchObject({ status: 201, body: { length: 500 } });
  expectProblem(await t.api.call('POST', '/auth/login', { body: texts(1, 20_000) }), 413, 'body_too_large');
});

it.each([
  ['too many of something', texts(501), 400, 'validation_failed'],
  ['another type', '{"texts":[1]}', 400, 'validation_failed'],
  ['no field', '{}', 400, 'validation_failed'],
  ['no body', undefined, 400, 'validation_failed'],
  ['an empty body', '', 400, 'validation_failed'],
  ['a field that is not known', '{"texts":[],"x":1}', 400, 'validation_failed'],
  ['too many members', texts(1001, 1), 400, 'malformed_body'],
  ['no JSON', '{"texts":', 400, 'malformed_body'],
  ['too many bytes', texts(400, 1000), 413, 'body_too_large'],
])('There a body with %s is refused', async (_, body, status, code) => {
  expectProblem(await send(body), status, code);
});

it('There another type than JSON is refused with 415', async () => {
  expectProblem(await send('texts=a', { ...OPEN, 'content-type': 'text/plain' }), 415, 'unsupported_media_type');
});

it('There nothing of the body is read before the guards have let the request pass', async () => {
  const { 'x-secret': _, ...closed } = OPEN;
  for (const body of [texts(400, 300), texts(400, 1000), '{"texts":', '']) {
    expectProblem(await send(body, closed), 401, 'no_secret');
  }
  await send(texts(400, 300));
  expect(readBeforeGuard).toEqual([0, 0, 0, 0, 0]);
});

it('There a refused request keeps its connection where its length was announced and allowed, and closes it otherwise', async () => {
  const { hostname } = new URL(t.api.url);
  const request = (headers: string, body: string) =>
    `POST /texts HTTP/1.1\r\nHost: ${hostname}\r\nContent-Type: application/json\r\n${headers}\r\n\r\n${body}`;
  const last = 'GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
  const body = texts(400, 300);
  const kept = await raw(t.api.url, request(`Content-Length: ${body.length}`, body) + last);
  expect(kept.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 401', 'HTTP/1.1 200']);

  const chunked = `${body.length.toString(16)}\r\n${body}\r\n`;
  const closed = await raw(t.api.url, request('Transfer-Encoding: chunked', chunked));
  expect(closed).toMatch(/^HTTP\/1\.1 401 [^]*connection: close/i);
  const tooLong = await raw(t.api.url, request('Content-Length: 1000000', body));
  expect(tooLong).toMatch(/^HTTP\/1\.1 401 [^]*connection: close/i);
});

it('There a client that goes away in the middle of its body is no failure of the service', async () => {
  const before = t.output().length;
  await raw(
    t.api.url,
    'POST /texts HTTP/1.1\r\nHost: x\r\nX-Secret: open\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"texts":',
    (socket) => void until('it has passed the guard', () => readBeforeGuard.length > 0).then(() => socket.destroy()),
  );
  await until('the service has seen it go', () => lastMessage?.destroyed);
  await send(texts(1));
  expect(t.output().slice(before)).not.toContain('"level":50');
});
