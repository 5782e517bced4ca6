import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { until } from './until.js';

// Programs that the documentation prints for its readers.

/** All that a page prints in a language. */
export const printedAll = (page: string, language: string): string[] =>
  [...readFileSync(page, 'utf8').matchAll(new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``, 'g'))].map(
    ([, text]) => text!,
  );

/** The first program that a page prints below a heading. */
export const printedBelow = (heading: string, page: string): string =>
  new RegExp(`^##+ ${heading}\n[^]*?\`\`\`[jt]s\n([^]*?)\`\`\``, 'm').exec(readFileSync(page, 'utf8'))![1]!;

/** The service that src/verifier/README.md prints below a heading. */
export const printedService = (heading: string): string => printedBelow(heading, 'src/verifier/README.md');

/** What is printed for Nest, on Fastify in place of its own adapter. */
export const onFastify = (source: string): string =>
  `import { FastifyAdapter } from '@nestjs/platform-fastify';\n${source.replace(
    'NestFactory.create(AppModule)',
    'NestFactory.create(AppModule, new FastifyAdapter(), { logger: false })',
  )}`;

/** Runs a printed service that listens on port 4000, on another one. */
export type RunPrinted = (source: string, port: number, env: Record<string, string>) => Promise<ChildProcess>;

/** Gives the tests of a file what runs printed services, each in a process of its own. */
export function usePrintedServices(): RunPrinted {
  let folder: string;
  const children: ChildProcess[] = [];

  beforeAll(() => {
    // Below the package, which then finds itself by its name.
    mkdirSync('coverage', { recursive: true });
    folder = mkdtempSync(resolve('coverage/pasted-'));
  });
  afterAll(() => {
    for (const child of children) child.kill('SIGKILL');
    rmSync(folder, { recursive: true });
  });

  return async (source, port, env) => {
    const path = join(folder, `${children.length}.mjs`);
    writeFileSync(path, source.replace('4000', String(port)));
    const child = spawn(process.execPath, [path], { env: { PATH: process.env['PATH'], ...env }, stdio: 'inherit' });
    children.push(child);
    await until('it listens', () => fetch(`http://127.0.0.1:${port}/`).catch(() => child.exitCode !== null));
    return child;
  };
}
