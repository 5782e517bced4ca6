import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { childrenOf, temporaryFolder } from '../support/postgres.js';
import { type Instance, spawnInstance, startInstance } from '../support/instance.js';
import { until } from '../support/until.js';

const OLD_NODE = 'Latchkey needs Node.js 20.19 or newer, and this is v18.20.8';

/** A checkout as `npm ci --omit=dev` leaves it: what the service needs, and nothing to build it with. */
function productionCheckout({ hasDist = true, hasPackages = true } = {}): string {
  const folder = temporaryFolder();
  for (const file of ['package.json', 'prestart.cjs']) cpSync(file, join(folder, file));
  if (hasDist) symlinkSync(join(process.cwd(), 'dist'), join(folder, 'dist'));
  if (hasPackages) mkdirSync(join(folder, 'node_modules/@nestjs/core'), { recursive: true });
  return folder;
}

/** A module that makes this Node.js pass for an old one. */
function oldNode(): string {
  const path = join(temporaryFolder(), 'old-node.cjs');
  writeFileSync(
    path,
    `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '18.20.8' } });
     Object.defineProperty(process, 'version', { value: 'v18.20.8' });`,
  );
  return path;
}

async function outputOf(program: string, args: readonly string[], cwd: string) {
  const { child, output } = spawnInstance({ cwd, command: [program, args, {}] });
  const [code] = await once(child, 'close');
  return { code, lines: output().trim().split('\n') };
}

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

const descendantsOf = (pid: number): number[] => childrenOf(pid).flatMap((child) => [child, ...descendantsOf(child)]);

async function npmStart(cwd: string): Promise<{ npm: Instance; dataDir: string }> {
  const dataDir = temporaryFolder();
  const env = { DATA_DIR: dataDir, JWT_SECRET: undefined, REFRESH_TOKEN_SECRET: undefined };
  return { npm: await startInstance({ cwd, env, command: ['npm', ['start'], {}] }), dataDir };
}

it.each(['SIGTERM', 'SIGINT'] as const)(
  '%s to the process of npm ends the service and its embedded database, and leaves nothing running',
  async (signal) => {
    const { npm, dataDir } = await npmStart(productionCheckout());
    expect((await npm.api.call('GET', '/health/ready')).status).toBe(200);
    const processes = descendantsOf(npm.process.pid!);
    // The service, the supervisor, and PostgreSQL with its workers.
    expect(processes.length).toBeGreaterThan(3);
    await npm.kill(signal);
    await until('all have ended', () => !processes.some(isAlive), 25);
    expect(existsSync(join(dataDir, 'postgres/postmaster.pid'))).toBe(false);
  },
  90_000,
);

it('A Ctrl+C, which reaches the processes below npm twice, stops the service in order', async () => {
  const env = {
    DATA_DIR: temporaryFolder(),
    LOG_LEVEL: 'info',
    JWT_SECRET: undefined,
    REFRESH_TOKEN_SECRET: undefined,
  };
  const command = ['npm', ['start'], { detached: true }] as const;
  const npm = await startInstance({ cwd: productionCheckout(), env, command });
  await until('it has started', () => npm.output().includes('Try it'));
  const closed = once(npm.process, 'close');
  // As a terminal does: to the whole group. npm, itself one of it, sends it on as well.
  process.kill(-npm.process.pid!, 'SIGINT');
  await closed;
  expect(npm.output()).toMatch(/ stopped\s*$/);
}, 90_000);

it('Without a compiler and without dist, npm start says what is missing', async () => {
  const { code, lines } = await outputOf('npm', ['start', '--silent'], productionCheckout({ hasDist: false }));
  expect(code).toBe(1);
  expect(lines).toEqual([expect.stringContaining('There is no dist/main.js, and no compiler to make it.')]);
});

it('Before npm ci, npm start says that nothing is installed', async () => {
  const { code, lines } = await outputOf('npm', ['start', '--silent'], productionCheckout({ hasPackages: false }));
  expect([code, lines]).toEqual([1, ['Nothing is installed yet. Run: npm ci']]);
});

it.each(['prestart.cjs', 'dist/main.js'])('On an old Node.js %s says in two lines what is needed', async (file) => {
  const { code, lines } = await outputOf(process.execPath, ['--require', oldNode(), file], process.cwd());
  expect([code, lines]).toEqual([1, [expect.stringContaining(OLD_NODE), expect.stringContaining('nvm install')]]);
});

it('The Node.js that a start asks for is the one of package.json', () => {
  const { engines } = JSON.parse(readFileSync('package.json', 'utf8')) as { engines: { node: string } };
  expect(engines.node).toBe('>=20.19');
  expect(readFileSync('src/main.ts', 'utf8')).toContain('major < 20 || (major === 20 && minor < 19)');
});
