import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Problem } from './problem.js';

const MAX_DEPTH = 8;
const BYTE_ORDER_MARK = 0xfeff;

/**
 * Reads request bodies, and never refuses one on the spot: a body that cannot be read becomes a {@link Problem} in
 * its place. Fastify parses before Nest's guards run, but who may not call a route must hear 401 or 403 first, so
 * the refusal waits for {@link BodyGuard}.
 */
export function registerBodyParser(fastify: FastifyInstance, limitBytes: number): void {
  const parseJson = fastify.getDefaultJsonParser('error', 'error');

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
          done(null, error || isDeeperThan(body, MAX_DEPTH) ? new Problem('malformed_body') : body);
        });
      },
      // The client went away in the middle: nobody is left to answer.
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
  // A connection whose body was not read to its end cannot carry another request.
  const tooLarge = () => new Problem('body_too_large', { headers: { Connection: 'close' } });
  if (Number(headers['content-length'] ?? 0) > limit) {
    return tooLarge();
  }

  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of payload.iterator({ destroyOnReturn: false })) {
    const bytes = Buffer.from(chunk);
    length += bytes.length;
    if (length > limit) {
      return tooLarge();
    }
    chunks.push(bytes);
  }
  if (length === 0) {
    return '';
  }

  const [mediaType, ...parameters] = (headers['content-type'] ?? '').toLowerCase().split(';');
  const encoding = headers['content-encoding'] ?? 'identity';
  if (mediaType?.trim() !== 'application/json' || encoding !== 'identity') {
    return new Problem('unsupported_media_type');
  }
  const charset = parameters.map((parameter) => parameter.trim()).find((parameter) => parameter.startsWith('charset='));
  if (charset && !/^charset="?utf-8"?$/.test(charset)) {
    return new Problem('malformed_body');
  }
  return decode(Buffer.concat(chunks));
}

function decode(bytes: Buffer): string | Problem {
  try {
    // Fatal: overlong forms and lone continuation bytes are an error, not a replacement character.
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    return text.charCodeAt(0) === BYTE_ORDER_MARK ? new Problem('malformed_body') : text;
  } catch {
    return new Problem('malformed_body');
  }
}

// Validation walks a body recursively; a body of brackets alone would exhaust its stack.
function isDeeperThan(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) {
    return false;
  }
  return depth === 0 || Object.values(value).some((member) => isDeeperThan(member, depth - 1));
}
