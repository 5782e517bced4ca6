import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { freePort } from '../support/free-port.js';
import { until } from '../support/until.js';

const FOLDER = 'src/forward-auth/proxies';

export type ProxyName = 'nginx' | 'caddy' | 'haproxy';

/** A proxy with the configuration of the documentation, in front of a dashboard, with Latchkey at its door. */
export interface Proxy {
  readonly url: string;
  stop(): Promise<void>;
}

interface Addresses {
  /** Host and port. */
  readonly latchkey: string;
  readonly dashboard: string;
  readonly port?: number;
  /** What a test changes in the documented configuration, because it is about it. */
  readonly change?: (configuration: string) => string;
}

interface Installation {
  readonly file: string;
  readonly packages: string;
  /** From the documented configuration to the files of a process that leaves nothing behind. Returns its command. */
  readonly prepare: (configuration: string, folder: string) => readonly [program: string, ...args: string[]];
}

const INSTALLATIONS: Record<ProxyName, Installation> = {
  nginx: {
    file: 'nginx.conf',
    packages: 'nginx libnginx-mod-http-headers-more-filter',
    prepare(configuration, folder) {
      const path = join(folder, 'nginx.conf');
      const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
      writeFileSync(
        path,
        `${process.getuid?.() === 0 ? 'user root;' : ''}
        daemon off;
        pid ${folder}/pid;
        load_module /usr/lib/nginx/modules/ngx_http_headers_more_filter_module.so;
        events {}
        http {
          access_log off;
          ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')}
          ${configuration}
        }`,
      );
      return ['nginx', '-c', path, '-p', folder, '-e', join(folder, 'error.log')];
    },
  },
  caddy: {
    file: 'Caddyfile',
    packages: 'caddy',
    prepare(configuration, folder) {
      const path = join(folder, 'Caddyfile');
      writeFileSync(path, `{\n\tadmin off\n}\n${configuration}`);
      return ['caddy', 'run', '--config', path, '--adapter', 'caddyfile'];
    },
  },
  haproxy: {
    file: 'haproxy.cfg',
    packages: 'haproxy',
    prepare(configuration, folder) {
      const path = join(folder, 'haproxy.cfg');
      writeFileSync(path, configuration.replace('/etc/haproxy/', `${resolve(FOLDER)}/`));
      return ['haproxy', '-db', '-f', path];
    },
  },
};

/** Starts one as its page of the documentation says, with other ports. */
export async function startProxy(
  name: ProxyName,
  { latchkey, dashboard, port: given, change = (configuration) => configuration }: Addresses,
): Promise<Proxy> {
  const { file, packages, prepare } = INSTALLATIONS[name];
  const folder = mkdtempSync(join(tmpdir(), `latchkey-${name}-`));
  const port = given ?? (await freePort());
  const documented = readFileSync(join(FOLDER, file), 'utf8');
  const configuration = change(documented)
    .replaceAll('127.0.0.1:3000', latchkey)
    .replaceAll('127.0.0.1:8000', dashboard)
    .replaceAll('localhost:8080', `127.0.0.1:${port}`)
    .replace('listen 8080', `listen 127.0.0.1:${port}`)
    .replace('bind :8080', `bind 127.0.0.1:${port}`);
  const [program, ...args] = prepare(configuration, folder);
  const child = run(program, args, folder);
  const exit = once(child.process, 'exit');
  const isThere = await Promise.race([
    until(`${name} listens`, () => canConnect(port)),
    exit.then(() => false),
    once(child.process, 'error').then(() => {
      throw new Error(`There is no ${program} here: apt-get install ${packages}`);
    }),
  ]);
  if (!isThere) throw new Error(`${name} does not start (apt-get install ${packages}):\n${child.output()}`);
  return {
    url: `http://127.0.0.1:${port}`,
    async stop() {
      child.process.kill(name === 'nginx' ? 'SIGQUIT' : 'SIGKILL');
      await exit;
      rmSync(folder, { recursive: true });
    },
  };
}

function run(program: string, args: readonly string[], folder: string): { process: ChildProcess; output(): string } {
  const child = spawn(program, args, {
    env: { PATH: `${process.env['PATH']}:/usr/sbin`, HOME: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  return { process: child, output: () => output };
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((answer) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => answer(true)).on('error', () => answer(false));
    socket.on('connect', () => socket.destroy());
  });
}
