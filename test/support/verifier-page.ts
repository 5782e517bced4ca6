import { readFileSync } from 'node:fs';

const page = readFileSync('src/verifier/README.md', 'utf8');

/** The service that src/verifier/README.md prints below a heading. */
export const printedService = (heading: string): string =>
  new RegExp(`^## ${heading}\n[^]*?\`\`\`[jt]s\n([^]*?)\`\`\``, 'm').exec(page)![1]!;

/** What is printed for Nest, on Fastify in place of its own adapter. */
export const onFastify = (source: string): string =>
  `import { FastifyAdapter } from '@nestjs/platform-fastify';\n${source.replace(
    'NestFactory.create(AppModule)',
    'NestFactory.create(AppModule, new FastifyAdapter(), { logger: false })',
  )}`;
