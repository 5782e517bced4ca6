import type { FastifyRequest } from 'fastify';
import { RouteMark } from './route-mark.js';

const STAYS_OPEN = 'staysOpen';

/** A route whose answers last as long as the client wants, so that how long says nothing of the service. */
export const StaysOpen = () => RouteMark({ [STAYS_OPEN]: true });

/** Whether the route of a request is such a one. */
export const staysOpen = ({ routeOptions }: Pick<FastifyRequest, 'routeOptions'>): boolean =>
  STAYS_OPEN in routeOptions.config;
