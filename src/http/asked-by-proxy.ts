import { applyDecorators } from '@nestjs/common';
import { ApiExtension, type PathItemObject } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { RouteMark } from './route-mark.js';

const ASKED_BY_PROXY = 'askedByProxy';
const EXTENSION = 'x-asked-by-proxy';

/**
 * A route that a reverse proxy asks whether it may pass a request on. The method, the body's length, `Origin`,
 * `Sec-Fetch-Site`, what follows the route's own path and what is forwarded are copies of that request's: nothing is refused,
 * redirected or read for them here, and no preflight answered. Such a route changes nothing.
 */
export const AskedByProxy = () => applyDecorators(RouteMark({ [ASKED_BY_PROXY]: true }), ApiExtension(EXTENSION, true));

/** Whether the route of a request is such a one. */
export const isAskedByProxy = ({ routeOptions }: Pick<FastifyRequest, 'routeOptions'>): boolean =>
  ASKED_BY_PROXY in (routeOptions?.config ?? {});

/** Leaves GET of a path of the document that takes any method, as {@link AskedByProxy} has them. */
export function documentOnce(path: PathItemObject & { get?: { [EXTENSION]?: boolean } }): void {
  if (path.get?.[EXTENSION]) {
    delete path.get[EXTENSION];
    for (const method of Object.keys(path).filter((one) => one !== 'get')) {
      Reflect.deleteProperty(path, method);
    }
  }
}
