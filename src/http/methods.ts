import { isUUID } from 'class-validator';
import type { FastifyInstance } from 'fastify';
import { MethodNotAllowedError, NotFoundError } from '../problems/http.errors.js';

/** The methods of each address, filled as routes are added from now on. */
export function collectMethods(fastify: FastifyInstance): ReadonlyMap<string, Set<string>> {
  const methodsOf = new Map<string, Set<string>>();
  fastify.addHook('onRoute', ({ url, method }) => {
    const methods = methodsOf.get(url) ?? new Set<string>();
    methodsOf.set(url, methods);
    for (const one of [method].flat()) {
      methods.add(one);
    }
  });
  return methodsOf;
}

/**
 * Answers every other method of an address with 405 and `Allow`. As routes, so that the router itself knows a wrong method
 * from a wrong address (404).
 */
export function refuseOtherMethods(fastify: FastifyInstance, methodsOf: ReadonlyMap<string, Set<string>>): void {
  for (const [url, methods] of methodsOf) {
    const allowed = [...methods].toSorted();
    const others = fastify.supportedMethods.filter((method) => !allowed.includes(method));
    if (url === '*' || others.length === 0) {
      continue;
    }
    fastify.route({
      method: others,
      url,
      handler: ({ params }) => {
        // A parameter takes any text: without a possible id there is no such address, whatever the method.
        const isAddress = Object.values(params ?? {}).every((id) => isUUID(id));
        throw isAddress ? new MethodNotAllowedError({ headers: { Allow: allowed.join(', ') } }) : new NotFoundError();
      },
    });
  }
}
