import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { SERVICE_CLIENT_SCOPES } from '../../src/service-clients/service-client.entity.js';

const read = (path: string): string => readFileSync(path, 'utf8');
const filesBelow = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => !path.includes('node_modules'))
    .map((path) => join(folder, path))
    .filter((path) => statSync(path).isFile());
const matches = (text: string, pattern: RegExp): string[] => [...text.matchAll(pattern)].map(([, found]) => found!);

const pages = [
  '.',
  '.github',
  ...readdirSync('src', { recursive: true, encoding: 'utf8' }).map((path) => `src/${path}`),
]
  .concat('test', 'test/bench')
  .filter((path) => statSync(path).isDirectory())
  .flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)))
  .filter((path) => path.endsWith('.md'));
const map = read('src/README.md');
const tests = read('test/README.md');

it('The README stays below 175 lines and 10 KiB', () => {
  const readme = read('README.md');
  expect(readme.split('\n').length).toBeLessThan(175);
  expect(Buffer.byteLength(readme)).toBeLessThan(10_240);
});

it('The documentation has no line of more than 160 characters', () => {
  expect(pages.length).toBeGreaterThan(7);
  const wide = pages.flatMap((page) =>
    read(page)
      .split('\n')
      .filter((line) => line.length > 160),
  );
  expect(wide).toEqual([]);
});

it('The documentation links only to files and headings that exist', () => {
  const slugOf = (heading: string) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, '')
      .replaceAll(' ', '-');
  const broken = pages.flatMap((page) =>
    matches(read(page), /\]\(([^)]+)\)/g)
      .filter((link) => !/^\w+:/.test(link))
      .filter((link) => {
        const [path = '', heading] = link.split('#');
        const target = path === '' ? page : resolve(dirname(page), path);
        return (
          !existsSync(target) ||
          (heading !== undefined &&
            !matches(read(target), /^#+ (.+)$/gm)
              .map(slugOf)
              .includes(heading))
        );
      })
      .map((link) => `${page}: ${link}`),
  );
  expect(broken).toEqual([]);
});

it('The documentation names only scripts that package.json has', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  const named = new Set(pages.flatMap((page) => matches(read(page), /npm run ([\w:-]+)/g)));
  expect(named.size).toBeGreaterThan(15);
  expect([...named].filter((name) => !(name in scripts))).toEqual([]);
});

it('The documentation names only settings that .env.example has', () => {
  const settings = new Set(matches(read('.env.example'), /^([A-Z_]+)=/gm));
  const ofCompose = matches(read('compose.yaml'), /\$\{([A-Z_]+):\?/g);
  const ofOthers = ['FAULT_TIMES', 'FUZZ_SECONDS', 'FUZZ_SEED', 'NODE_EXTRA_CA_CERTS', 'TEST_DATABASE_URL'];
  const others = new Set([...ofOthers, ...ofCompose]);
  const named = pages.flatMap((page) => matches(read(page), /`([A-Z]+_[A-Z_]+)/g));
  expect(named.length).toBeGreaterThan(30);
  // `PASSWORD_HASH_*` is several.
  const unknown = named.filter((name) => !settings.has(name) && !others.has(name) && !name.endsWith('_'));
  expect(unknown).toEqual([]);
});

it('The page for other services has every route of OAuth, and says what each scope of a service client is for', () => {
  const page = read('src/oauth/README.md');
  const { paths } = JSON.parse(read('openapi.json')) as { paths: object };
  const routes = Object.keys(paths).filter((path) => path.startsWith('/oauth/'));
  expect(routes.length).toBeGreaterThan(3);
  expect(routes.filter((route) => !page.includes(`POST ${route}\``))).toEqual([]);
  const [table = ''] = /^\| scope .*\n(?:\|.*\n)+/m.exec(page) ?? [];
  expect(matches(table, /^\| `(\w+)` .*(?:`\/|`POST \/|\]\(#)/gm)).toEqual(SERVICE_CLIENT_SCOPES);
});

describe('src/README.md', () => {
  it('The map in src/README.md explains every folder, and no other', () => {
    const folders = readdirSync('src').filter((name) => statSync(`src/${name}`).isDirectory());
    const [, section = ''] = /^## The folders\n([^]*?)\n## /m.exec(map) ?? [];
    const named = section.split('\n').flatMap((line) => {
      const start = /^(?:- |\*\*Around them\*\*: )(.*)$/.exec(line)?.[1] ?? '';
      return matches(start, /`(\w[\w-]*)\/`/g);
    });
    expect(named.filter((name) => existsSync(`src/${name}`)).toSorted()).toEqual(folders.toSorted());
  });

  it('The order of imports in src/README.md is the one that is checked', () => {
    const { forbidden } = createRequire(resolve('package.json'))(resolve('.dependency-cruiser.cjs')) as {
      forbidden: readonly { readonly name: string }[];
    };
    const checked = forbidden.flatMap(({ name }) => /^(\w+)-imports-down-only$/.exec(name)?.[1] ?? []);
    const [, order = ''] = /^features → (.*)$/m.exec(map) ?? [];
    expect(order.split(/ → |, /)).toEqual(checked);
  });

  it('The routes in src/README.md are those of openapi.json', () => {
    const { paths } = JSON.parse(read('openapi.json')) as { paths: Record<string, Record<string, unknown>> };
    const routes = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const [, section = ''] = /^## The routes\n([^]*)/m.exec(map) ?? [];
    expect(matches(section, /`((?:GET|POST|PATCH|PUT|DELETE) [^`]+)`/g).toSorted()).toEqual(routes.toSorted());
  });
});

describe('test/README.md', () => {
  it('The lists in test/README.md say which tests show each requirement and fault, and name only tests that exist', () => {
    const items = tests.slice(tests.indexOf('## Requirements')).split(/^- /m).slice(1);
    const groups = items.join('').split(/^ {2}Shown by /m);
    const shown = groups.slice(1).flatMap((group) => matches(group.split('\n\n')[0] ?? '', /`([\w-]+)`/g));
    expect(shown.length).toBeGreaterThan(100);
    const folders = [
      'e2e',
      'drills',
      'unit',
      'browser',
      'package',
      'nginx',
      'pgbouncer',
      'failover',
      'proxies',
      'python',
    ];
    const isThere = (name: string) => folders.some((folder) => existsSync(`test/${folder}/${name}.test.ts`));
    expect(shown.filter((name) => !isThere(name))).toEqual([]);
    // The last item of each list has the names; nothing but a heading may follow it.
    const sections = tests.slice(tests.indexOf('## Requirements')).split(/^##+ /m);
    const lists = sections.filter((section) => section.includes('\n- '));
    expect(lists.filter((list) => !/\n {2}Shown by [^\n]+(\n {2}[^\n]+)*\n*$/.test(list))).toEqual([]);
  });

  it('Every requirement that is named anywhere has its sentence in test/README.md', () => {
    const code = /\b((?:PW|JWT|RT|REV|ASK|CK|RA|ADM|ERR|RL|LOG|HDR|IN|AC|ML|OP)-\d\d)\b/g;
    const known = new Set(matches(tests, /^- \*\*([A-Z]+-\d\d)\*\* /gm));
    expect(known.size).toBeGreaterThan(90);
    const files = [...filesBelow('src'), ...filesBelow('test').filter((path) => /\.(ts|mjs|md)$/.test(path)), ...pages];
    const named = files.flatMap((file) => matches(read(file), code));
    expect(named.length).toBeGreaterThan(130);
    expect([...new Set(named)].filter((name) => !known.has(name))).toEqual([]);
  });
});

it('The gateway in src/sessions/README.md is the one that test/e2e/websocket.test.ts runs', () => {
  const [, gateway = ''] = /```ts\n[^]*?(@WebSocketGateway[^]*?)```/.exec(read('src/sessions/README.md')) ?? [];
  expect(gateway).toContain('handleConnection');
  expect(read('test/e2e/websocket.test.ts')).toContain(gateway);
});
