import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Controller, Delete, Get, HttpCode, Module } from '@nestjs/common';
import { ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import type { Locator, Page } from 'playwright-core';
import { PASSWORD, someone } from '../support/api.js';
import { useApp } from '../support/app.js';
import { expectAccessible, TestBrowser } from '../support/chromium.js';
import { until } from '../support/until.js';

// What an application built on the service adds.
const NOTES = [{ id: '7d1f3f0e-6a3e-4b9b-9a52-2f1c8a4f1c11', title: 'Milk' }];

@ApiTags('Notes')
@Controller('notes')
class NotesController {
  @Get()
  @ApiOperation({ summary: 'Your notes' })
  @ApiOkResponse({ description: 'All of them.' })
  list(): object {
    return NOTES;
  }

  @Delete(':id')
  @HttpCode(204)
  @ApiParam({ name: 'id', format: 'uuid' })
  @ApiOperation({ summary: 'Delete a note' })
  @ApiNoContentResponse({ description: 'Deleted.' })
  delete(): void {
    // Nothing is kept.
  }
}

@Module({ controllers: [NotesController] })
class NotesModule {}

const PICTURES = process.env['SCREENSHOTS'] ?? 'coverage/screenshots';
const MAX_CLICKS = 15;

const t = useApp({}, {}, { modules: [NotesModule] });
let browser: TestBrowser;
let page: Page;
let clicks: number;

beforeAll(async () => {
  mkdirSync(PICTURES, { recursive: true });
  browser = await TestBrowser.launch();
});
afterAll(() => browser?.close());

beforeEach(() => open({ viewport: { width: 1200, height: 1400 } }));
afterEach(async () => {
  await page.context().close();
  expect(browser.complaints).toEqual([]);
});

/** A browser of its own at Swagger UI, which counts a person's clicks. */
async function open(options: object): Promise<void> {
  await page?.context().close();
  page = await (await browser.device(options)).newPage();
  clicks = 0;
  await page.exposeFunction('countClick', () => (clicks += 1));
  await page.addInitScript('addEventListener("click", ({ isTrusted }) => isTrusted && countClick(), true)');
  await page.goto(`${t.api.url}/docs`);
  await page.locator('.opblock').first().waitFor();
}

const operation = (id: string): Locator => page.locator(`[id^="operations-"][id$="-${id}"]`);
const who = (): Locator => page.locator('.who');
const picture = (name: string) => page.screenshot({ path: join(PICTURES, `docs-${name}.png`) });

/** Presses a route's button, and fills in what it waits for. */
async function begin(id: string, body?: object): Promise<void> {
  await operation(id).locator('.run').click();
  if (body) await operation(id).locator('textarea').fill(JSON.stringify(body));
}

/** Runs a route, and returns the answer that the page shows. */
async function run(id: string, body?: object): Promise<{ status: number; body: any }> {
  const block = operation(id);
  const isReady = (await block.locator('.run').textContent()) === 'Run';
  if (!isReady) {
    await begin(id, body);
    await block.locator('.opblock-section').first().waitFor();
  }
  // Besides, the page asks who it is.
  const answered = page.waitForResponse((response) => {
    const { pathname } = new URL(response.url());
    return id === 'getMe' ? pathname === '/auth/me' : pathname !== '/auth/me';
  });
  await block.locator(isReady ? '.run' : '.execute').click();
  const response = await answered;
  const shown = block.locator('.live-responses-table tbody .response-col_status');
  await shown.filter({ hasText: String(response.status()) }).waitFor();
  const text = await response.text().catch(() => '');
  return { status: response.status(), body: text === '' ? null : JSON.parse(text) };
}

const seen = (locator: Locator, text: string) => locator.filter({ hasText: text }).first().waitFor();

it('A person can sign up, manage devices, refresh and log out at /docs in 15 clicks', async () => {
  const credentials = someone();
  const registered = await run('register', { ...credentials, deviceName: 'Laptop' });
  expect(registered.status).toBe(201);
  expect(registered.body).not.toHaveProperty('refreshToken');
  await seen(who(), `Authorized as ${credentials.email} on Laptop`);
  expect((await run('getMe')).body.email).toBe(credentials.email);

  // Who signed in last is who you are, by the bearer and by the cookie alike.
  const phone = await run('login', { ...credentials, deviceName: 'Phone' });
  expect(phone.status).toBe(200);
  await seen(who(), `Authorized as ${credentials.email} on Phone`);
  const listed = await run('listSessions');
  expect(listed.body.items.map(({ device }: any) => device.name)).toEqual(['Phone', 'Laptop']);

  // The other device is filled in.
  const renamed = await run('renameSession', { deviceName: 'Old laptop' });
  expect([renamed.body.id, renamed.body.device.name]).toEqual([registered.body.session.id, 'Old laptop']);
  expect((await run('revokeSession')).status).toBe(204);
  expect((await t.api.me(registered.body.accessToken)).body.code).toBe('session_revoked');
  expect((await run('listSessions')).body.items).toHaveLength(1);

  // By the cookie, which no script on the page can see.
  const refreshed = await run('refresh');
  expect(refreshed.status).toBe(200);
  expect(refreshed.body.session.id).toBe(phone.body.session.id);
  expect(await page.evaluate('document.cookie')).toBe('');

  // The page keeps the authorization over a reload.
  await page.reload();
  await seen(who(), `Authorized as ${credentials.email} on Phone`);
  expect((await run('getCurrentSession')).body.id).toBe(phone.body.session.id);

  expect((await run('logout')).status).toBe(204);
  await seen(who(), 'You logged out.');
  expect(await page.context().cookies()).toEqual([]);
  expect((await run('refresh')).status).toBe(401);
  expect(clicks).toBeLessThanOrEqual(MAX_CLICKS);
}, 120_000);

it('Swagger UI sends no access token once the session has ended elsewhere, and says why', async () => {
  const { credentials, accessToken } = await t.api.signUp();
  await run('login', { ...credentials });
  await seen(who(), `Authorized as ${credentials.email}`);

  await t.api.logoutOthers(accessToken);
  expect((await run('getMe')).body.code).toBe('session_revoked');
  await seen(who(), 'That session was ended.');
  expect((await run('getMe')).body.code).toBe('invalid_token');
  await page.reload();
  await seen(who(), 'Not authorized yet.');
}, 60_000);

it('An access token that is entered by hand is that of a user and of staff, until it is removed', async () => {
  const { accessToken, credentials, user } = await t.api.signUp();
  await t.database.query(`UPDATE users SET role = 'admin' WHERE id = $1`, [user.id]);
  const dialog = page.locator('.dialog-ux');
  await page.locator('.auth-wrapper .authorize').first().click();
  // The bearer comes first, and there is nothing to type for the cookies.
  expect(await dialog.locator('h4 code').allTextContents()).toEqual([
    'bearer',
    'staff',
    'serviceClient',
    'refreshCookie',
    'visitCookie',
  ]);
  // A token each, and the id and secret of a client.
  expect(await dialog.locator('input').count()).toBe(4);
  await dialog.locator('input').first().fill(accessToken);
  await dialog.getByRole('button', { name: 'Apply credentials' }).first().click();
  await page.keyboard.press('Escape');
  await seen(who(), `Authorized as ${credentials.email} on`);
  await seen(who(), ', staff');

  // Empty filters find everyone, and the route of one user offers them by their addresses.
  const { body } = await run('listUsers');
  expect(body.items.map(({ email }: any) => email)).toContain(credentials.email);
  await begin('listUserSessions');
  await operation('listUserSessions').locator('.chips').getByText(credentials.email).click();
  expect(await operation('listUserSessions').getByPlaceholder('id', { exact: true }).inputValue()).toBe(user.id);

  await page.locator('.auth-wrapper .authorize').first().click();
  await dialog.getByRole('button', { name: 'Remove authorization' }).first().click();
  await page.keyboard.press('Escape');
  await seen(who(), 'Not authorized yet.');
  expect((await run('listAuditEvents')).status).toBe(401);
}, 60_000);

it('The event stream shows each event as it comes, and its end', async () => {
  const credentials = someone();
  const { body: me } = await run('register', { ...credentials });
  await operation('streamSessionEvents').locator('.run').click();
  const events = operation('streamSessionEvents').locator('.stream');
  await seen(events, 'No event yet.');
  const phone = await t.api.signIn(credentials);
  await seen(events.locator('li'), 'session.created');
  await picture('stream');
  await t.api.endSession(phone.accessToken, me.session.id);
  await seen(operation('streamSessionEvents').locator('.live-responses-table'), '"reason":"revoked_by_user"');
  expect(await events.count()).toBe(0);
  await seen(who(), 'That session was ended.');

  // Refused before it begins, it is shown as any other answer.
  await operation('streamSessionEvents').locator('.run').click();
  await seen(operation('streamSessionEvents').locator('.live-responses-table'), 'invalid_token');
}, 60_000);

it('An event stream can be stopped, and shows what came until then', async () => {
  const credentials = someone();
  await run('register', { ...credentials });
  await operation('streamSessionEvents').locator('.run').click();
  const block = operation('streamSessionEvents');
  await seen(block.locator('.stream'), 'No event yet.');
  await t.api.signIn(credentials);
  await seen(block.locator('.stream li'), 'session.created');
  await block.getByRole('button', { name: 'Stop' }).click();
  await seen(block.locator('.live-responses-table'), 'event: session.created');
  await seen(who(), `Authorized as ${credentials.email}`);
}, 60_000);

it('An open route fits a screen, and its refusals one table, which marks the one it answered with', async () => {
  await begin('login', { email: 'nobody@example.com', password: PASSWORD });
  const block = operation('login');
  expect((await block.boundingBox())!.height).toBeLessThan(1400);
  await picture('route');
  await expectAccessible(page);
  expect((await run('getMe')).status).toBe(401);
  const table = operation('getMe').locator('table.refusals');
  expect(await table.locator('[aria-current]').allTextContents()).toEqual([
    '401invalid_tokenSend a valid access token as "Authorization: Bearer <accessToken>".',
  ]);
  const documented = operation('getMe').locator('.responses-table:not(.live-responses-table) > tbody > tr');
  expect(await documented.count()).toBe(1);

  // OAuth's errors are no problem documents, and are folded as well.
  expect((await run('introspect')).status).toBe(401);
  const errors = operation('introspect').locator('table.refusals');
  await seen(errors.locator('caption'), 'Refusals, each as application/json');
  expect(await errors.locator('[aria-current]').allTextContents()).toEqual([
    '401invalid_clientSend the client_id and client_secret of a service client. npm run client:add makes one.',
  ]);
  expect(await errors.locator('tbody tr').allTextContents()).toContain(
    '403insufficient_scopeThis service client does not have the scope that this takes.',
  );
}, 60_000);

it('A body is sent as it stands in the example, and as a person types it', async () => {
  const registered = await run('register');
  expect([registered.status, registered.body.user?.email]).toEqual([201, 'ada@example.com']);

  const { credentials } = await t.api.signUp();
  await begin('login');
  const body = operation('login').locator('textarea');
  await body.waitFor();
  await body.press('ControlOrMeta+A');
  await page.keyboard.type(JSON.stringify(credentials));
  expect(await body.inputValue()).toBe(JSON.stringify(credentials));
  expect((await run('login')).body.user?.email).toBe(credentials.email);
  await seen(who(), `Authorized as ${credentials.email}`);
}, 60_000);

it.each([
  ['a parameter', 'listUsers', '[data-param-name="email"] input'],
  ['an id of the path', 'revokeSession', '[data-param-name="id"] input'],
  ['a field of a form', 'introspect', '[data-property-name="token"] input, [data-param-name="token"] input'],
])(
  'The focus stays in %s while a person types',
  async (_, id, field) => {
    await begin(id);
    const input = operation(id).locator(field).first();
    await input.waitFor();
    await input.press('ControlOrMeta+A');
    // Fields take what was typed after a pause, or at once with Enter.
    await page.keyboard.type('typed');
    await page.keyboard.press('Enter');
    await page.keyboard.type(' by hand');
    expect(await input.inputValue()).toBe('typed by hand');
  },
  60_000,
);

it('Optional parameters are empty, and their examples are in the description', async () => {
  await begin('listAuditEvents');
  const rows = operation('listAuditEvents').locator('.parameters tbody tr');
  await rows.first().waitFor();
  for (const row of await rows.all()) {
    const name = await row.getAttribute('data-param-name');
    expect([name, await row.locator('input, select').first().inputValue()]).toEqual([
      name,
      name === 'limit' ? '50' : '',
    ]);
  }
  await seen(rows, 'Not before this. Such as 2026-11-01T00:00:00Z.');
}, 60_000);

it('Routes that an application adds have the same buttons and offers', async () => {
  await run('register', { ...someone() });
  expect((await run('list')).body).toEqual(NOTES);
  await begin('delete');
  await seen(operation('delete').locator('.chips'), 'Milk');
  expect(await operation('delete').getByPlaceholder('id', { exact: true }).inputValue()).toBe(NOTES[0]!.id);
  await page.keyboard.press('Control+Enter');
  await seen(operation('delete').locator('.live-responses-table'), '204');
  await until(
    'what is deleted is offered no longer',
    async () => (await operation('delete').locator('.chips').count()) === 0,
  );
}, 60_000);

it.each([
  ['a dark desktop', { viewport: { width: 1200, height: 1400 }, colorScheme: 'dark' }],
  ['a phone', { viewport: { width: 390, height: 844 } }],
])(
  'On %s the page is as wide as the window, and accessible',
  async (name, options) => {
    await open(options);
    await picture(`start-${name.replaceAll(' ', '-')}`);
    await run('register', { ...someone() });
    await run('listSessions');
    await begin('renameSession');
    await operation('renameSession').locator('.refusals').waitFor();
    await operation('renameSession').evaluate((element) => element.scrollIntoView());
    await picture(`route-${name.replaceAll(' ', '-')}`);
    expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBe(0);
  },
  60_000,
);

it('The links at the top lead to the other pages of the service', async () => {
  expect(await page.title()).toBe('API · Latchkey');
  await page.getByRole('link', { name: 'Your devices' }).click();
  await page.waitForURL(`${t.api.url}/`);
  expect(clicks).toBe(1);
});

it('Staff make a service client, and the page asks as that service, without a cookie or a secret that stays', async () => {
  const credentials = someone();
  const { body: admin } = await run('register', credentials);
  await t.database.query(`UPDATE users SET role = 'admin' WHERE id = $1`, [admin.user.id]);
  const name = `Billing ${credentials.email}`;
  const { body: client } = await run('addClient', { name, scopes: ['introspect', 'verify', 'revoke'] });
  await seen(page.locator('.client'), `Service client: ${name}`);

  const cookies: Promise<string | undefined>[] = [];
  page.on('request', (request) => {
    if (/oauth|batch/.test(request.url())) cookies.push(request.allHeaders().then(({ cookie }) => cookie));
  });
  // The access token of the page stands where the examples have one.
  const introspected = await run('introspect');
  expect(introspected.body).toMatchObject({ active: true, sub: admin.user.id });
  expect((await run('verifyBatch')).body.results).toEqual([introspected.body]);
  await expectAccessible(page);
  await operation('introspect').screenshot({ path: join(PICTURES, 'docs-introspect.png') });

  // What is entered by hand is forgotten at a reload, as what was filled in.
  const refused = async () => {
    await page.reload();
    await page.locator('.opblock').first().waitFor();
    const { status, body } = await run('introspect');
    expect([status, body.error]).toEqual([401, 'invalid_client']);
  };
  await refused();
  await seen(operation('introspect').locator('tr[aria-current]'), 'invalid_client');
  await page.getByRole('button', { name: 'Authorize', exact: true }).first().click();
  const dialog = page.locator('.auth-container').filter({ hasText: 'serviceClient' });
  await picture('authorize-client');
  await dialog.getByLabel(/username/i).fill(client.id);
  await dialog.getByLabel(/password/i).fill(client.clientSecret);
  await dialog.getByRole('button', { name: /authorize|apply/i }).click();
  await page.keyboard.press('Escape');
  await seen(page.locator('.client'), `Service client: ${client.id}`);
  expect((await run('introspect')).body).toEqual(introspected.body);
  await refused();

  // The holder of a token needs no client to revoke it.
  expect((await run('revoke')).status).toBe(200);
  await seen(who(), 'That session was ended.');
  expect(await Promise.all(cookies)).toEqual(cookies.map(() => undefined));
  expect(await page.evaluate('JSON.stringify([localStorage, sessionStorage])')).not.toContain(client.clientSecret);
}, 120_000);

it('Staff add a receiver with the example as it stands, send it a test, and see what became of it', async () => {
  const { body: admin } = await run('register', someone());
  await t.database.query(`UPDATE users SET role = 'admin' WHERE id = $1`, [admin.user.id]);
  const { status, body: added } = await run('addReceiver');
  expect(status).toBe(201);
  expect(added).toMatchObject({ kind: 'webhook', secret: expect.stringMatching(/^whsec_/), disabledAt: null });
  await expectAccessible(page);
  await operation('addReceiver').screenshot({ path: join(PICTURES, 'docs-add-receiver.png') });

  expect((await run('listReceivers')).body.items.map(({ id }: { id: string }) => id)).toContain(added.id);
  // Its id is filled in from that list.
  expect(await run('testReceiver')).toMatchObject({ status: 202, body: { event: 'test' } });
  expect((await run('listDeliveries')).body.items).toHaveLength(1);
  const tried = await until('it was tried', async () => {
    const { body } = await run('getDelivery');
    return body.answer !== null && body;
  });
  // There is no such name.
  expect(tried).toMatchObject({
    state: 'waiting',
    status: null,
    answer: expect.stringContaining('billing.example.com'),
  });
  await operation('getDelivery').screenshot({ path: join(PICTURES, 'docs-delivery.png') });
  expect((await run('changeReceiver')).body.events).toEqual(['session.created', 'session.revoked', 'session.expired']);
  expect((await run('replaceReceiverSecret')).body.secret).not.toBe(added.secret);
  expect((await run('deleteReceiver')).status).toBe(204);
  await expectAccessible(page);
  await page.locator('#operations-tag-Receivers').scrollIntoViewIfNeeded();
  await picture('receivers');
}, 120_000);
