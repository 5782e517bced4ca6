import { randomUUID } from 'node:crypto';
import { request } from 'node:http';
import { useApp } from '../support/app.js';

const t = useApp();

interface Operation {
  readonly security?: Record<string, string[]>[];
}

/** A path sent as it stands: fetch would tidy it up. */
function raw(method: string, path: string, headers: Record<string, string>): Promise<number> {
  const { hostname, port } = new URL(t.api.url);
  return new Promise((resolve, reject) => {
    const call = request({ hostname, port, method, path, headers, agent: false }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode!));
    });
    call.on('error', reject).end();
  });
}

const percentFirstLetter = (path: string) => path.replace(/[a-z]/, (c) => `%${c.charCodeAt(0).toString(16)}`);
const SPELLINGS: [string, (path: string) => string][] = [
  ['as it is', (path) => path],
  ['a letter percent-encoded', percentFirstLetter],
  ['a letter percent-encoded twice', (path) => percentFirstLetter(path).replace('%', '%25')],
  ['a slash too many in front', (path) => `/${path}`],
  ['a slash too many inside', (path) => path.replace(/(?<=.)\//, '//')],
  ['an encoded slash', (path) => path.replace(/(?<=.)\//, '%2f')],
  ['a slash at the end', (path) => `${path}/`],
  ['a parameter after a semicolon', (path) => `${path};x=1`],
  ['upper case', (path) => path.toUpperCase()],
  ['a dot segment', (path) => `/./${path.slice(1)}`],
  ['two dots', (path) => `/x/..${path}`],
  ['a query', (path) => `${path}?public=true`],
  ['a fragment', (path) => `${path}#x`],
  ['a NUL at the end', (path) => `${path}%00`],
  ['a space at the end', (path) => `${path}%20`],
];

it('Every route that is not public refuses a missing, forged or revoked token in every spelling of its path', async () => {
  const { accessToken, session } = await t.api.signUp();
  await t.api.endSession(accessToken, session.id);
  const { body: document } = await t.api.call('GET', '/docs-json');

  const closed = Object.entries<Record<string, Operation>>(document.paths).flatMap(([path, operations]) =>
    Object.entries(operations)
      .filter(([, { security }]) => security?.some((scheme) => 'bearer' in scheme || 'staff' in scheme))
      .map(([method]) => [method.toUpperCase(), path.replaceAll(/\{\w+\}/g, () => randomUUID())] as const),
  );
  expect(closed.map(([method, path]) => `${method} ${path.replaceAll(/[0-9a-f-]{36}/g, ':id')}`).toSorted()).toEqual([
    'DELETE /admin/clients/:id',
    'DELETE /admin/clients/:id/secrets/:id',
    'DELETE /admin/receivers/:id',
    'DELETE /sessions/:id',
    'GET /admin/audit',
    'GET /admin/clients',
    'GET /admin/incidents/:id',
    'GET /admin/receivers',
    'GET /admin/receivers/:id',
    'GET /admin/receivers/:id/deliveries',
    'GET /admin/receivers/:id/deliveries/:id',
    'GET /admin/users',
    'GET /admin/users/:id/sessions',
    'GET /auth/me',
    'GET /auth/me/export',
    'GET /sessions',
    'GET /sessions/current',
    'GET /sessions/events',
    'GET /sessions/history',
    'GET /sessions/places',
    'GET /verify',
    'PATCH /admin/receivers/:id',
    'PATCH /sessions/:id',
    'POST /admin/clients',
    'POST /admin/clients/:id/secret',
    'POST /admin/incidents',
    'POST /admin/receivers',
    'POST /admin/receivers/:id/deliveries/:id/redeliver',
    'POST /admin/receivers/:id/secret',
    'POST /admin/receivers/:id/test',
    'POST /admin/sessions/:id/revoke',
    'POST /admin/users/:id/disable',
    'POST /admin/users/:id/enable',
    'POST /admin/users/:id/password/reset',
    'POST /admin/users/:id/sessions/revoke',
    'POST /auth/email/change',
    'POST /auth/email/resend',
    'POST /auth/logout',
    'POST /auth/logout-all',
    'POST /auth/logout-others',
    'POST /auth/me/delete',
    'POST /auth/password/change',
  ]);

  const wrong: string[] = [];
  for (const [method, path] of closed) {
    for (const [spelling, spell] of SPELLINGS) {
      for (const authorization of [undefined, 'Bearer forged', `Bearer ${accessToken}`]) {
        for (const verb of method === 'GET' ? ['GET', 'HEAD'] : [method]) {
          const status = await raw(verb, spell(path), authorization ? { authorization } : {});
          if (status !== 401 && status !== 404) {
            wrong.push(`${verb} ${spell(path)} (${spelling}, ${authorization ?? 'anonymous'}): ${status}`);
          }
        }
      }
    }
  }
  expect(wrong).toEqual([]);
});
