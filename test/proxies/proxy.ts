import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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
  /** Where people sign in. */
  readonly page: string;
  readonly port?: number;
  /** What a test changes in the documented files, because it is about it. */
  readonly change?: (configuration: string) => string;
}

interface Installation {
  readonly packages: string;
  /** The configuration, and what belongs to it. */
  readonly files: readonly [configuration: string, ...others: string[]];
  /** From the documented configuration to that of a process that leaves nothing behind. */
  readonly complete: (configuration: string, folder: string) => string;
  readonly command: (folder: string) => readonly [program: string, ...args: string[]];
}

const NGINX_TEMPORARY = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];

const INSTALLATIONS: Record<ProxyName, Installation> = {
  nginx: {
    packages: 'nginx libnginx-mod-http-headers-more-filter',
    files: ['nginx.conf'],
    complete: (configuration, folder) => `
      ${process.getuid?.() === 0 ? 'user root;' : ''}
      daemon off;
      pid ${folder}/pid;
      load_module /usr/lib/nginx/modules/ngx_http_headers_more_filter_module.so;
      events {}
      http {
        access_log off;
        ${NGINX_TEMPORARY.map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')}
        ${configuration}
      }`,
    command: (folder) => ['nginx', '-c', join(folder, 'nginx.conf'), '-p', folder, '-e', join(folder, 'error.log')],
  },
  caddy: {
    packages: 'caddy',
    files: ['Caddyfile'],
    complete: (configuration) => `{\n\tadmin off\n}\n${configuration}`,
    command: (folder) => ['caddy', 'run', '--config', join(folder, 'Caddyfile'), '--adapter', 'caddyfile'],
  },
  haproxy: {
    packages: 'haproxy',
    files: ['haproxy.cfg', 'latchkey.lua'],
    complete: (configuration, folder) => configuration.replace('/etc/haproxy/', `${folder}/`),
    command: (folder) => ['haproxy', '-db', '-f', join(folder, 'haproxy.cfg')],
  },
};

/** Starts one as its page of the documentation says, with other ports. */
export async function startProxy(name: ProxyName, addresses: Addresses): Promise<Proxy> {
  const { packages, files, complete, command } = INSTALLATIONS[name];
  const folder = mkdtempSync(join(tmpdir(), `latchkey-${name}-`));
  const port = addresses.port ?? (await freePort());
  for (const file of files) {
    const text = withAddresses(readFileSync(join(FOLDER, file), 'utf8'), addresses, port);
    writeFileSync(join(folder, file), file === files[0] ? complete(text, folder) : text);
  }
  const [program, ...args] = command(folder);
  const child = run(program, args, folder);
  const exit = once(child.process, 'exit').catch(() => {
    throw new Error(`There is no ${program} here: apt-get install ${packages}`);
  });
  const isThere = await Promise.race([until(`${name} listens`, () => canConnect(port)), exit.then(() => false)]);
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

const withAddresses = (text: string, { latchkey, dashboard, page, change = (same) => same }: Addresses, port: number) =>
  change(text)
    .replaceAll('127.0.0.1:3000', latchkey)
    .replaceAll('localhost%3A3000', encodeURIComponent(page))
    .replaceAll('127.0.0.1:8000', dashboard)
    .replaceAll('localhost:8080', `127.0.0.1:${port}`)
    .replace('listen 8080', `listen 127.0.0.1:${port}`)
    .replace('bind :8080', `bind 127.0.0.1:${port}`);

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
