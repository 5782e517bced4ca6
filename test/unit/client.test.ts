import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import ts from 'typescript';

// What the types of the client accept and refuse.

const CLIENT = resolve('src/client.mjs');

// How another program may be compiled: for Node.js, and for browsers.
const TARGETS: Record<string, ts.CompilerOptions> = {
  'Node.js': { types: ['node'], lib: ['lib.es2023.d.ts'] },
  browsers: { types: [], lib: ['lib.es2023.d.ts', 'lib.dom.d.ts'] },
};

const GOOD = `
const client = new LatchkeyClient({ baseUrl: 'https://auth.example.com', tokenDelivery: 'body', storage: memoryStorage() });
await client.logIn({ email: 'ada@example.com', password: 'x', deviceName: 'CLI' });
const isIn: boolean = await client.register({ email: 'ada@example.com', password: 'x', name: 'Ada' });
const label: string | undefined = (await client.listSessions())[0]?.device.label;
const page: { items: { id: string; reason: string }[]; nextCursor: string | null } =
  await client.request('GET', '/sessions/history', { query: { limit: 3 } });
const renamed: string | null =
  (await client.request('PATCH', '/sessions/{id}', { params: { id: 'x' }, body: { deviceName: 'Phone' } })).device.name;
const nothing: null = await client.request('DELETE', '/sessions/{id}', { params: { id: 'x' } });
await client.request('GET', '/auth/me');
await client.request('POST', '/admin/users/{id}/disable', { params: { id: 'x' } });
await client.request('POST', '/admin/users/{id}/disable', { params: { id: 'x' }, body: { reason: 'asked for it' } });
const orders: Response = await client.fetch('/orders', { method: 'POST', body: '{}' });
client.addEventListener('signedout', ({ detail }) => {
  if (detail.reason === 'logout_all' && detail.wasSignedIn) console.log(client.signedOutReason);
});
client.addEventListener('session', ({ detail }) => {
  if (detail.type === 'session.revoked') console.log(detail.reason, detail.at);
});
try {
  await client.changePassword({ currentPassword: 'x', newPassword: 'y' });
} catch (error) {
  if (error instanceof ApiError && error.code === 'validation_failed') console.log(error.errors[0]?.message);
  else if (error instanceof SignedOutError) console.log(error.reason === 'session_expired');
  else if (error instanceof LatchkeyError && error.code === 'unreachable') console.log('offline');
}
console.log(isIn, label, page, renamed, nothing, orders);
export {};`;

const BAD: Record<string, string> = {
  'a route that there is not': `await client.request('GET', '/nowhere');`,
  'a method that the route does not take': `await client.request('POST', '/sessions');`,
  'a route without its parameter': `await client.request('DELETE', '/sessions/{id}');`,
  'a route without its body': `await client.request('POST', '/auth/email/change');`,
  'a body with an unknown field': `await client.request('POST', '/auth/email/change', { body: { mail: 'x' } });`,
  'a body where the route takes none': `await client.request('GET', '/auth/me', { body: {} });`,
  'a query of another type': `await client.request('GET', '/sessions', { query: { limit: 'x' } });`,
  'a login beside the client': `await client.request('POST', '/auth/login', { body: { email: 'x', password: 'y' } });`,
  'a logout beside the client': `await client.request('POST', '/auth/logout');`,
  'a login that chooses where its token travels': `await client.logIn({ email: 'x', password: 'y', tokenDelivery: 'body' });`,
  'a login without a password': `await client.logIn({ email: 'x' });`,
  'an answer taken for another type': `const text: string = await client.request('GET', '/auth/me'); console.log(text);`,
  'a user that may not be there': `console.log(client.user.email);`,
  'a session that is assigned': `client.session = null;`,
  'an event that there is not': `client.addEventListener('signedoff', () => {});`,
  'a reason that there is not': `client.addEventListener('signedout', ({ detail }) => detail.reason === 'because');`,
  'a code that there is not': `try { await client.logOut(); } catch (error) { if (error instanceof ApiError && error.code === 'emial_taken') throw error; }`,
  'a delivery that there is not': `new LatchkeyClient({ tokenDelivery: 'header' });`,
  'a storage that cannot forget': `new LatchkeyClient({ storage: { get: () => null, set: () => {} } });`,
};

const IMPORT = `import { ApiError, LatchkeyClient, LatchkeyError, memoryStorage, SignedOutError } from '${CLIENT}';\n`;

/** What the compiler says of each program, by its name. */
function complaints(programs: Record<string, string>, target: ts.CompilerOptions): Record<string, string[]> {
  // Below this folder, since types are looked for from where a program is.
  mkdirSync('coverage', { recursive: true });
  const folder = mkdtempSync(resolve('coverage/client-'));
  try {
    const paths = Object.entries(programs).map(([, source], i) => {
      const path = join(folder, `program-${i}.mts`);
      writeFileSync(path, source);
      return path;
    });
    const program = ts.createProgram(paths, {
      strict: true,
      noEmit: true,
      target: ts.ScriptTarget.ES2023,
      module: ts.ModuleKind.NodeNext,
      moduleResolution: ts.ModuleResolutionKind.NodeNext,
      ...target,
    });
    // Of the files themselves: those of Node.js and of the DOM are checked elsewhere.
    const complaintsAbout = (path: string) =>
      [
        ...program.getSyntacticDiagnostics(program.getSourceFile(path)),
        ...program.getSemanticDiagnostics(program.getSourceFile(path)),
      ].map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, ' '));
    expect(['src/client.d.mts', 'src/client/openapi.d.mts'].map((path) => complaintsAbout(resolve(path)))).toEqual([
      [],
      [],
    ]);
    return Object.fromEntries(Object.keys(programs).map((name, i) => [name, complaintsAbout(paths[i] ?? '')]));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

it.each(Object.entries(TARGETS))(
  'A program for %s compiles against the client, and one with any mistake does not',
  (_, target) => {
    const start = `${IMPORT}const client = new LatchkeyClient();\n`;
    const end = '\nvoid [ApiError, LatchkeyError, memoryStorage, SignedOutError];';
    const bad = Object.fromEntries(Object.entries(BAD).map(([name, source]) => [name, start + source + end]));
    const found = complaints({ good: IMPORT + GOOD, ...bad }, target);
    expect(found['good']).toEqual([]);
    for (const name of Object.keys(BAD)) expect([name, found[name]]).toEqual([name, [expect.any(String)]]);
  },
);

it('The client imports files of its own folder alone, each by its name', () => {
  for (const path of ['src/client.mjs', ...readdirSync('src/client').map((name) => `src/client/${name}`)]) {
    if (!path.endsWith('.mjs')) continue;
    const imported = [...readFileSync(path, 'utf8').matchAll(/^(?:import|export) .* from '(.*)';$/gm)].map(
      ([, from]) => from,
    );
    expect([path, imported.filter((from) => !/^\.\/(client\/)?[\w-]+\.mjs$/.test(from ?? ''))]).toEqual([path, []]);
  }
});
