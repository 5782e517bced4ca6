import { Body, Controller, Get, Module, Post } from '@nestjs/common';
import { IsString } from 'class-validator';
import { RequiresRole } from '../../src/auth/role.guard.js';
import { Public } from '../../src/http/public.decorator.js';
import { cookieOf, someone } from '../support/api.js';
import { useApp } from '../support/app.js';

// The document of an application built on the service, served over plain http. Its routes say nothing of documentation.

class ThingDto {
  @IsString()
  readonly name!: string;
}

@Controller('things')
class ThingsController {
  @Get()
  listThings(): string[] {
    return [];
  }

  @Post()
  addThing(@Body() { name }: ThingDto): string[] {
    return [name];
  }

  @Public()
  @Get('public')
  listPublicThings(): string[] {
    return [];
  }

  @RequiresRole('admin')
  @Get('secret')
  listSecretThings(): string[] {
    return [];
  }
}

@Module({ controllers: [ThingsController] })
class ThingsModule {}

const t = useApp({}, {}, { modules: [ThingsModule] });
let document: any;

const operationOf = (method: string, path: string) => document.paths[path][method.toLowerCase()];
const statusesOf = (method: string, path: string) => Object.keys(operationOf(method, path).responses);
const codesOf = (method: string, path: string, status: string) => {
  const name = operationOf(method, path).responses[status].$ref.split('/').at(-1);
  return Object.keys(document.components.responses[name].content['application/problem+json'].examples);
};

beforeAll(async () => {
  document = (await t.api.call('GET', '/docs-json')).body;
});

it('A route of an application that says nothing is described as protected, and is', async () => {
  expect(operationOf('GET', '/things').security).toEqual([{ bearer: [] }]);
  expect(statusesOf('GET', '/things')).toEqual(['200', '401', '500', '503', 'default']);
  expect(codesOf('GET', '/things', '401')).toEqual(['invalid_token', 'session_expired', 'session_revoked']);
  expect((await t.api.call('GET', '/things')).status).toBe(401);
  const { accessToken } = await t.api.signUp();
  expect((await t.api.call('GET', '/things', { bearer: accessToken })).status).toBe(200);
});

it('A route of an application that changes something is described with what its body and its site are refused for', async () => {
  expect(statusesOf('POST', '/things')).toEqual(['201', '400', '401', '403', '413', '415', '500', '503', 'default']);
  expect(codesOf('POST', '/things', '403')).toEqual(['cross_site_request']);
  const { accessToken } = await t.api.signUp();
  const { status, body } = await t.api.call('POST', '/things', { bearer: accessToken, body: {} });
  expect([status, body.errors]).toEqual([400, [{ field: 'name', message: 'is required' }]]);
});

it('A route of an application that is public is described as such, and is open', async () => {
  expect(operationOf('GET', '/things/public').security).toEqual([]);
  expect(statusesOf('GET', '/things/public')).not.toContain('401');
  expect((await t.api.call('GET', '/things/public')).status).toBe(200);
});

it('A route of an application that requires a role is described with the refusal of others, and refuses them', async () => {
  expect(operationOf('GET', '/things/secret').security).toEqual([{ staff: [] }]);
  expect(codesOf('GET', '/things/secret', '401')).toContain('session_revoked');
  expect(codesOf('GET', '/things/secret', '403')).toEqual(['forbidden']);
  const { accessToken } = await t.api.signUp();
  expect((await t.api.call('GET', '/things/secret', { bearer: accessToken })).status).toBe(403);
  expect((await t.api.call('GET', '/things/secret')).status).toBe(401);
});

it('Over plain http the document has the name that the cookie has there', async () => {
  const name = 'refresh_token';
  const answer = await t.api.register({ ...someone(), tokenDelivery: 'cookie' });
  expect(cookieOf(answer).split('=')[0]).toBe(name);
  expect(document.components.securitySchemes.refreshCookie.name).toBe(name);
  const { RefreshCookie, ClearedRefreshCookie } = document.components.headers;
  for (const { schema } of [RefreshCookie, ClearedRefreshCookie]) {
    expect(schema.example).toMatch(/^refresh_token=/);
    expect(schema.example).not.toMatch(/Secure|__Host/);
  }
  const attributes = (cookie: string) =>
    cookie
      .split('; ')
      .slice(1)
      .map((part) => part.split('=')[0]);
  const loggedOut = await t.api.call('POST', '/auth/logout', { cookie: cookieOf(answer) });
  expect(attributes(loggedOut.headers.getSetCookie()[0]!)).toEqual(attributes(ClearedRefreshCookie.schema.example));
  expect(attributes(answer.headers.getSetCookie()[0]!)).toEqual(attributes(RefreshCookie.schema.example));
});
