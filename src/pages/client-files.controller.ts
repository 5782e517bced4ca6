import { readdirSync, readFileSync } from 'node:fs';
import { Controller, Get, Param, Req, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Public } from '../http/public.decorator.js';
import { NotFoundError } from '../problems/http.errors.js';
import { script, send, type StaticFile } from './static-file.js';

const SOURCES = new URL('../', import.meta.url);

const read = (path: string): StaticFile => script(readFileSync(new URL(path, SOURCES), 'utf8'));

const ENTRY = read('client.mjs');
const PARTS: ReadonlyMap<string, StaticFile> = new Map(
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
  entry(@Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply): Buffer | string {
    return send(ENTRY, request, reply);
  }

  @Get('client/:name')
  part(
    @Param('name') name: string,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Buffer | string {
    const file = PARTS.get(name);
    if (file === undefined) {
      throw new NotFoundError();
    }
    return send(file, request, reply);
  }
}
