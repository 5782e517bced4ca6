import { type CanActivate, Controller, type ExecutionContext, Module, Post, UseGuards } from '@nestjs/common';
import { IsString } from 'class-validator';
import { FormBody, formFieldsOf, TakesForm } from '../../src/http/form.js';
import { Public } from '../../src/http/public.decorator.js';
import { IsOptionalField } from '../../src/http/validation.js';
import { defineProblem } from '../../src/problems/problem.js';
import { useApp } from '../support/app.js';
import { expectProblem } from '../support/problem.js';

class EchoDto {
  @IsString()
  readonly token!: string;

  @IsString()
  @IsOptionalField()
  readonly hint?: string;
}

const NoSecretError = defineProblem('no_secret', 401, 'There is no secret.');

class SecretGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    if (formFieldsOf(context.switchToHttp().getRequest())['secret'] !== 'open') {
      throw new NoSecretError();
    }
    return true;
  }
}

@Public()
@Controller('oauth/echo')
class EchoController {
  @Post()
  @TakesForm(EchoDto)
  echo(@FormBody(EchoDto) { token, hint }: EchoDto) {
    return { token, hint };
  }

  @Post('guarded')
  @TakesForm(EchoDto)
  @UseGuards(SecretGuard)
  guarded(@FormBody(EchoDto) { token }: EchoDto) {
    return { token };
  }
}

@Module({ controllers: [EchoController] })
class EchoModule {}

const t = useApp({}, {}, { modules: [EchoModule] });

const FORM = 'application/x-www-form-urlencoded';

const send = (
  body: string | undefined,
  headers: Record<string, string> = { 'content-type': FORM },
  path = '/oauth/echo',
) => t.api.call('POST', path, { headers, ...(body !== undefined && { body }) });

const parameters = (count: number) => Array.from({ length: count }, (_, i) => `&${i.toString(36)}=1`).join('');

it.each([
  ['a parameter', 'token=a.b-c', { token: 'a.b-c' }],
  ['escapes and a plus', 'token=a%20b+c%2Bd&hint=%C3%A9', { token: 'a b c+d', hint: 'é' }],
  ['a parameter that is not known', 'token=a&client_id=x&x=1', { token: 'a' }],
  ['a parameter without a value, which counts as left out', 'token=a&hint=', { token: 'a' }],
  ['256 parameters', `token=a${parameters(255)}`, { token: 'a' }],
  ['names that every object has', 'token=a&__proto__=b&constructor=c&toString=d', { token: 'a' }],
])('A form with %s is read', async (_, body, expected) => {
  expect(await send(body)).toMatchObject({ status: 201, body: expected });
});

it('A form that declares UTF-8 is read, whatever the case of its media type', async () => {
  expect((await send('token=a', { 'content-type': `${FORM.toUpperCase()}; charset="UTF-8"` })).status).toBe(201);
});

it.each([
  ['no body', undefined, 'token is required'],
  ['an empty body', '', 'token is required'],
  ['a parameter missing', 'hint=a', 'token is required'],
  ['an empty parameter', 'token=', 'token is required'],
  ['a parameter twice', 'token=a&token=a', 'token must not be sent twice'],
  ['an unknown parameter twice', 'token=a&x=1&x=', 'x must not be sent twice'],
  ['a broken escape', 'token=%zz', 'The body is not a form in UTF-8.'],
  ['an overlong sequence', 'token=%c0%af', 'The body is not a form in UTF-8.'],
  ['a NUL', 'token=a%00', 'The body is not a form in UTF-8.'],
  ['257 parameters', `token=a${parameters(256)}`, 'A form has at most 256 parameters.'],
  ['one parameter 257 times', 'token=a&'.repeat(257), 'A form has at most 256 parameters.'],
])('A form with %s is refused as an invalid request', async (_, body, description) => {
  expect(await send(body)).toMatchObject({
    status: 400,
    body: { error: 'invalid_request', error_description: description },
  });
});

it.each([
  ['JSON', { 'content-type': 'application/json' }, '{"token":"a"}'],
  ['no content type', {}, 'token=a'],
  ['the content type of a file', { 'content-type': 'multipart/form-data; boundary=x' }, 'token=a'],
  ['an encoding', { 'content-type': FORM, 'content-encoding': 'gzip' }, 'token=a'],
  ['another character set', { 'content-type': `${FORM}; charset=latin1` }, 'token=a'],
])('A body sent with %s in place of a form is refused as an invalid request', async (_, headers, body) => {
  const response = await fetch(`${t.api.url}/oauth/echo`, {
    method: 'POST',
    headers,
    body: new TextEncoder().encode(body),
  });
  expect(response.status).toBe(400);
  expect(await response.json()).toEqual({
    error: 'invalid_request',
    error_description: expect.stringContaining('form'),
  });
});

it('A form of more than 16 kB is refused with 413 and closes its connection, and one of 10 kB is read', async () => {
  const answer = await send(`token=${'x'.repeat(17_000)}`);
  expect([answer.status, answer.body.error]).toEqual([413, 'invalid_request']);
  expect(answer.headers.get('connection')).toBe('close');
  expect((await send(`token=${'x'.repeat(10_000)}`)).status).toBe(201);
});

it('Everything below /oauth/ is refused in the shape of OAuth, addresses and methods that are not there included', async () => {
  const answers = [
    await t.api.call('POST', '/oauth/nowhere'),
    await t.api.call('GET', '/oauth/echo'),
    await send('token=a', { 'content-type': FORM, 'sec-fetch-site': 'cross-site' }),
    await t.api.call('POST', '/%6fauth/echo', { headers: { 'content-type': FORM }, body: 'x' }),
  ];
  expect(answers.map(({ status, body }) => [status, body.error])).toEqual([
    [404, 'not_found'],
    [405, 'method_not_allowed'],
    [403, 'cross_site_request'],
    [400, 'invalid_request'],
  ]);
  expect(answers[1]!.headers.get('allow')).toBe('POST');
  for (const { headers, body } of answers) {
    expect(Object.keys(body)).toEqual(['error', 'error_description']);
    // RFC 6749, 5.2
    expect(body.error_description).toMatch(/^[ -!#-[\]-~]+$/);
    expect(headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(headers.get('cache-control')).toBe('no-store');
  }
});

it('A guard reads the fields of a form, also of one that is refused after it, and refuses before the form is', async () => {
  const guarded = async (body: string, headers?: Record<string, string>) => {
    const answer = await send(body, headers, '/oauth/echo/guarded');
    return [answer.status, answer.body.error ?? answer.body.token];
  };
  expect(await guarded('secret=open&token=a')).toEqual([201, 'a']);
  expect(await guarded('secret=open&token=a&token=b')).toEqual([400, 'invalid_request']);
  expect(await guarded('secret=open')).toEqual([400, 'invalid_request']);
  for (const body of ['token=a', 'secret=open&secret=open&token=a', 'token=a&token=b', '%zz', '']) {
    expect(await guarded(body)).toEqual([401, 'invalid_client']);
  }
  expect(await guarded('{}', { 'content-type': 'application/json' })).toEqual([401, 'invalid_client']);
});

it('A description names what was sent in ASCII, without quotes, and cut', async () => {
  const name = `"é\\${'x'.repeat(500)}`;
  const { body } = await send(`token=a&${encodeURIComponent(name)}=1&${encodeURIComponent(name)}=2`);
  expect(body.error_description).toMatch(/^'\?\?x{297}$/);
});

it('Elsewhere a form is refused with 415, and errors are problem documents', async () => {
  const call = { headers: { 'content-type': FORM }, body: 'email=a&password=b' };
  expectProblem(await t.api.call('POST', '/auth/login', call), 415, 'unsupported_media_type');
  expectProblem(await t.api.call('POST', '/oauthx/echo', call), 404, 'not_found');
});
