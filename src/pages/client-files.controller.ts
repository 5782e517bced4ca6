import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { Controller, Get, Header, Headers, Param, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Public } from '../http/public.decorator.js';
import { NotFoundError } from '../problems/http.errors.js';

interface File {
  readonly content: string;
  readonly etag: string;
}

const SOURCES = new URL('../', import.meta.url);
// A browser keeps them, and asks each time whether they are still these: files of two versions are never mixed for long.
const CACHING = 'no-cache';
const JAVASCRIPT = 'text/javascript; charset=utf-8';

function read(path: string): File {
  const content = readFileSync(new URL(path, SOURCES), 'utf8');
  return { content, etag: `"${createHash('sha256').update(content).digest('base64url')}"` };
}

const ENTRY = read('client.mjs');
const PARTS: ReadonlyMap<string, File> = new Map(
  readdirSync(new URL('client/', SOURCES))
    .filter((name) => name.endsWith('.mjs'))
    .map((name) => [name, read(`client/${name}`)]),
);

/** The client of the API for browsers: `client.mjs`, and the files that it imports. */
@ApiExcludeController()
@Public()
@Controller()
export class ClientFilesController {
  @Get('client.mjs')
  @Header('Content-Type', JAVASCRIPT)
  entry(@Headers('if-none-match') known: string | undefined, @Res({ passthrough: true }) reply: FastifyReply): string {
    return send(ENTRY, known, reply);
  }

  @Get('client/:name')
  @Header('Content-Type', JAVASCRIPT)
  part(
    @Param('name') name: string,
    @Headers('if-none-match') known: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): string {
    const file = PARTS.get(name);
    if (file === undefined) {
      throw new NotFoundError();
    }
    return send(file, known, reply);
  }
}

function send({ content, etag }: File, known: string | undefined, reply: FastifyReply): string {
  void reply.headers({ 'Cache-Control': CACHING, ETag: etag });
  // A proxy that compresses makes a weak one of it.
  const isKnown = (known ?? '').split(',').some((one) => one.trim().replace(/^W\//, '') === etag);
  if (!isKnown) return content;
  void reply.status(304);
  return '';
}
