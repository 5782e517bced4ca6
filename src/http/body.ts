import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { BodyTooLargeError, UnsupportedMediaTypeError } from '../problems/http.errors.js';
import { defineProblem, Problem } from '../problems/problem.js';
import { ForeignFieldError, foreignNameIn } from './validation.js';

const MAX_DEPTH = 8;
const MAX_MEMBERS = 256;
const MEDIA_TYPE = /^[\w!#$%&'*+.^`|~-]+\/[\w!#$%&'*+.^`|~-]+[ \t]*(;.*)?$/;
const BYTE_ORDER_MARK = 0xfeff;

export const MalformedBodyError = defineProblem('malformed_body', 400, 'The body is not valid JSON in UTF-8.');

/**
 * Reads request bodies, and never refuses one on the spot: a body that cannot be read becomes a {@link Problem} in
 * its place. Fastify parses before Nest's guards run, but a caller without access must get 401 or 403 first, so
 * the refusal waits for {@link BodyGuard}.
 */
export function registerBodyParser(fastify: FastifyInstance, limitBytes: number): void {
  const parseJson = fastify.getDefaultJsonParser('error', 'error');

  fastify.addHook('onRequest', ({ headers }, _reply, done) => {
    // Fastify itself would refuse what is no media type at all, before any guard asked who is calling.
    if (headers['content-type'] !== undefined && !MEDIA_TYPE.test(headers['content-type'])) {
      headers['content-type'] = 'application/octet-stream';
    }
    done();
  });
  fastify.addHook('onSend', ({ body }, reply, _payload, done) => {
    if (body instanceof BodyTooLargeError) {
      // Whatever the answer is: a connection whose body was not read to its end cannot carry another request.
      reply.header('Connection', 'close');
    }
    done();
  });
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('*', (request, payload, done) => {
    void read(request.headers, payload, limitBytes).then(
      (text) => {
        if (text === '') {
          return done(null, undefined);
        }
        if (text instanceof Problem) {
          return done(null, text);
        }
        void parseJson(request, text, (error, body: unknown) => {
          done(null, error ? new MalformedBodyError() : (problemIn(body, MAX_DEPTH) ?? body));
        });
      },
      // The client went away in the middle: there is no one left to answer.
      (error: Error) => done(error),
    );
  });
}

/** Refuses what the parser could not read, once it is clear that the caller may be here at all. */
@Injectable()
export class BodyGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { body } = context.switchToHttp().getRequest<FastifyRequest>();
    if (body instanceof Problem) {
      throw body;
    }
    return true;
  }
}

async function read(headers: IncomingHttpHeaders, payload: IncomingMessage, limit: number): Promise<string | Problem> {
  if (Number(headers['content-length'] ?? 0) > limit) {
    return new BodyTooLargeError();
  }

  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of payload.iterator({ destroyOnReturn: false })) {
    const bytes = Buffer.from(chunk);
    length += bytes.length;
    if (length > limit) {
      return new BodyTooLargeError();
    }
    chunks.push(bytes);
  }
  if (length === 0) {
    return '';
  }

  const [mediaType, ...parameters] = (headers['content-type'] ?? '').toLowerCase().split(';');
  const encoding = headers['content-encoding'] ?? 'identity';
  if (mediaType?.trim() !== 'application/json' || encoding !== 'identity') {
    return new UnsupportedMediaTypeError();
  }
  const charset = parameters.map((parameter) => parameter.trim()).find((parameter) => parameter.startsWith('charset='));
  if (charset && !/^charset="?utf-8"?$/.test(charset)) {
    return new MalformedBodyError();
  }
  return decode(Buffer.concat(chunks));
}

function decode(bytes: Buffer): string | Problem {
  try {
    // Fatal: overlong forms and lone continuation bytes are an error, not a replacement character.
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    return text.charCodeAt(0) === BYTE_ORDER_MARK ? new MalformedBodyError() : text;
  } catch {
    return new MalformedBodyError();
  }
}

// What validation must not see: it walks a body recursively, pays for every member of it, and takes names
// that every object has for known.
function problemIn(value: unknown, depth: number, seen = { members: 0 }): Problem | null {
  if (typeof value !== 'object' || value === null) {
    return null;
  }
  const members = Object.values(value);
  seen.members += members.length;
  if (depth === 0 || seen.members > MAX_MEMBERS) {
    return new MalformedBodyError();
  }
  const foreign = foreignNameIn(value);
  if (foreign !== undefined) {
    return new ForeignFieldError(foreign);
  }
  for (const member of members) {
    const problem = problemIn(member, depth - 1, seen);
    if (problem) {
      return problem;
    }
  }
  return null;
}
