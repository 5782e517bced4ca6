import type { IncomingMessage } from 'node:http';
import {
  applyDecorators,
  type CanActivate,
  type ExecutionContext,
  Injectable,
  type Type,
  UseGuards,
} from '@nestjs/common';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { BodyTooLargeError } from '../problems/http.errors.js';
import { Problem } from '../problems/problem.js';
import { isAskedByProxy } from './asked-by-proxy.js';
import { parseForm, readableForm } from './form.js';
import { HandlerMark } from './handler-mark.js';
import { UnreadBody } from './large-json.js';
import { MalformedBodyError, MAX_MEMBERS, readableJson, readBody } from './route-body.js';
import { ForeignFieldError, foreignNameIn } from './validation.js';

const MAX_DEPTH = 8;
const MEDIA_TYPE = /^[\w!#$%&'*+.^`|~-]+\/[\w!#$%&'*+.^`|~-]+[ \t]*(;.*)?$/;
const ADMITS_BY_ITSELF = new HandlerMark<true>();

/**
 * Reads request bodies, and never refuses one on the spot: a body that cannot be read becomes a {@link Problem} in
 * its place. Fastify parses before Nest's guards run, but a caller without access must get 401 or 403 first, so
 * the refusal waits for {@link BodyGuard}.
 */
export function registerBodyParser(fastify: FastifyInstance, limitBytes: number): void {
  const parseJson = fastify.getDefaultJsonParser('error', 'error');

  fastify.addHook('onRequest', (request, _reply, done) => {
    const { headers, method } = request;
    const type = headers['content-type'];
    // Fastify itself would refuse what is no media type at all, and a QUERY without one, before any guard asked who is calling.
    const isRefused = type === undefined ? method === 'QUERY' : !MEDIA_TYPE.test(type) || isAskedByProxy(request);
    if (isRefused) {
      headers['content-type'] = 'application/octet-stream';
    }
    done();
  });
  fastify.addHook('onSend', (request, reply, _payload, done) => {
    const { body, raw } = request;
    const isUnread = (body instanceof UnreadBody && body.isOpenEnded) || (!raw.complete && isAskedByProxy(request));
    if (isUnread || body instanceof BodyTooLargeError) {
      // Whatever the answer is: a connection whose body was not read to its end cannot carry another request.
      reply.header('Connection', 'close');
    }
    done();
  });
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('*', (request, payload, done) => {
    if (isAskedByProxy(request)) {
      // It may have kept the body for itself and named its length all the same: nothing waits for it.
      payload.resume();
      return done(null, undefined);
    }
    void bodyOf(request, payload).then(
      (body) => done(null, body),
      // The client went away in the middle: there is no one left to answer.
      (error: Error) => done(error),
    );
  });

  async function bodyOf(request: FastifyRequest, payload: IncomingMessage): Promise<unknown> {
    const { bodyRule } = request.routeOptions.config;
    if (bodyRule?.type === 'form') {
      const text = await readBody(request.headers, payload, readableForm(limitBytes));
      return typeof text === 'string' ? parseForm(text) : text;
    }
    if (bodyRule?.type === 'large JSON') {
      const limit = Math.max(limitBytes, bodyRule.limitBytes);
      const isShort = Number(request.headers['content-length'] ?? Infinity) <= limit;
      return new UnreadBody(isShort, () => jsonOf(request, payload, limit, bodyRule.maxMembers));
    }
    return jsonOf(request, payload, limitBytes, MAX_MEMBERS);
  }

  async function jsonOf(request: FastifyRequest, payload: IncomingMessage, limit: number, maxMembers: number) {
    const text = await readBody(request.headers, payload, readableJson(limit));
    if (text === '') {
      return undefined;
    }
    return text instanceof Problem ? text : parse(request, text, maxMembers);
  }

  function parse(request: FastifyRequest, text: string, maxMembers: number): Promise<unknown> {
    return new Promise((resolve) => {
      void parseJson(request, text, (error, body: unknown) => {
        resolve(error ? new MalformedBodyError() : (problemIn(body, MAX_DEPTH, { left: maxMembers }) ?? body));
      });
    });
  }
}

@Injectable()
class UnreadBodyGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    if (request.body instanceof Problem && request.routeOptions.config.bodyRule === undefined) {
      throw request.body;
    }
    return true;
  }
}

/**
 * Refuses what the parser could not read, once it is clear that the caller may be here at all. Routes with a rule of their own
 * do so when they take their body, after their own guards.
 */
@Injectable()
export class BodyGuard extends UnreadBodyGuard {
  override canActivate(context: ExecutionContext): boolean {
    return ADMITS_BY_ITSELF.of(context) ?? super.canActivate(context);
  }
}

/** A route with a guard of its own for who may be here, which is to refuse before its body is. */
export const AdmittedBy = (guard: Type<CanActivate>) =>
  applyDecorators(ADMITS_BY_ITSELF.set(true), UseGuards(guard, UnreadBodyGuard));

// What validation must not see: it walks a body recursively, pays for every member of it, and takes names
// that every object has for known.
function problemIn(value: unknown, depth: number, members: { left: number }): Problem | null {
  if (typeof value !== 'object' || value === null) {
    return null;
  }
  const values = Object.values(value);
  members.left -= values.length;
  if (depth === 0 || members.left < 0) {
    const excess = depth === 0 ? 'is too deep' : 'has too many members';
    return new MalformedBodyError({ detail: `The JSON of the body ${excess}.` });
  }
  const foreign = foreignNameIn(value);
  if (foreign !== undefined) {
    return new ForeignFieldError(foreign);
  }
  for (const one of values) {
    const problem = problemIn(one, depth - 1, members);
    if (problem) {
      return problem;
    }
  }
  return null;
}
