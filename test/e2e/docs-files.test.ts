import { Controller, Get, Module, Param } from '@nestjs/common';
import { Public } from '../../src/http/public.decorator.js';
import { useApp } from '../support/app.js';
import { expectProblem } from '../support/problem.js';
import { raw } from '../support/raw.js';

// The files of Swagger UI, and what a plugin of Fastify refuses in its own way.

@Controller('refusing')
class RefusingController {
  @Public()
  @Get(':status')
  refuse(@Param('status') status: string): never {
    throw Object.assign(new Error('The words of a plugin'), { statusCode: Number(status) });
  }
}

@Module({ controllers: [RefusingController] })
class RefusingModule {}

const t = useApp({}, {}, { modules: [RefusingModule] });

/** The status of a path, sent as it is: fetch would tidy it up. */
async function statusOf(path: string, header = 'X-Nothing: 1', method = 'GET'): Promise<number> {
  const answer = await raw(
    t.api.url,
    `${method} ${path} HTTP/1.1\r\nHost: localhost\r\n${header}\r\nConnection: close\r\n\r\n`,
  );
  return Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1]);
}

it('Every file that the documentation page and its files name is served', async () => {
  const found = new Set<string>();
  const look = async (url: string) => {
    if (found.has(url)) return;
    found.add(url);
    const { status, text, type } = await load(url);
    expect([url, status]).toEqual([url, 200]);
    if (url.includes('swagger-ui')) return;
    const names = /text\/html/.test(type)
      ? /(?:href|src)="(\/docs\/[^"]+)"/g
      : /(?:from|import|url\()\s*\(?['"]?(\.\/[\w.-]+\.\w+)/g;
    for (const [, name] of text.matchAll(names)) await look(new URL(name!, `${t.api.url}${url}`).pathname);
  };
  await look('/docs/');
  expect([...found]).toEqual(
    expect.arrayContaining(['/docs/swagger-ui.css', '/docs/swagger-ui-bundle.js', '/docs/docs.mjs', '/docs/run.mjs']),
  );
});

async function load(url: string) {
  const response = await fetch(`${t.api.url}${url}`);
  return { status: response.status, text: await response.text(), type: response.headers.get('content-type') ?? '' };
}

it('A file of the documentation page answers HEAD as it answers GET, and other methods with 405', async () => {
  expect(await statusOf('/docs/docs.css', undefined, 'HEAD')).toBe(200);
  expectProblem(await t.api.call('POST', '/docs/docs.css'), 405, 'method_not_allowed');
});

it.each([
  '/docs/%00',
  '/docs//x',
  '/docs//docs.css',
  '/docs/%5c',
  '/docs/%2e%2e',
  '/docs/..',
  '/docs/../docs/docs.css',
  '/docs/..%2fdocument.js',
  '/docs/./docs.css',
  '/docs/docs.css/',
  '/docs/docs.css%00',
  '/docs/DOCS.CSS',
  '/docs/index.html',
  '/docs/package.json',
  '/docs/nowhere',
])('The path %s is no file of the documentation page, and is answered with 404', async (path) => {
  expect(await statusOf(path)).toBe(404);
});

it.each(['bytes=9999999-', 'bytes=a-b', 'bytes=0-1', 'bytes=-0', 'bytes=5-2', 'x'])(
  'A file of the documentation page is answered whole to Range: %s',
  async (range) => {
    expect(await statusOf('/docs/docs.css', `Range: ${range}`)).toBe(200);
  },
);

it('A condition that a file of the documentation page does not meet is answered with 412', async () => {
  const answer = await t.api.call('GET', '/docs/docs.css', { headers: { 'if-match': '"another"' } });
  expectProblem(answer, 412, 'refused');
  expect(answer.body.title).toBe('Precondition Failed');
});

it.each([402, 403, 406, 409, 416, 418, 429, 451, 499])(
  'What a plugin refuses with %i is a problem of that status, without the words of the plugin',
  async (status) => {
    const answer = await t.api.call('GET', `/refusing/${status}`);
    expectProblem(answer, status, 'refused');
    expect(JSON.stringify(answer.body)).not.toContain('plugin');
  },
);

it.each([200, 302, 399, 500, 502, 600, 1000])('An error with the status %i is an internal error', async (status) => {
  expect(await statusOf(`/refusing/${status}`)).toBe(500);
});
