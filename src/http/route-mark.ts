import { RouteConfig } from '@nestjs/platform-fastify';
import { FASTIFY_ROUTE_CONFIG_METADATA } from '@nestjs/platform-fastify/constants.js';
import type { FastifyContextConfig } from 'fastify';

/** What hooks read of a route, beside what its other decorators say: a second `RouteConfig` of Nest would replace the first. */
export const RouteMark =
  (mark: FastifyContextConfig & Readonly<Record<string, unknown>>): MethodDecorator =>
  (target, key, descriptor: PropertyDescriptor) => {
    const others: object = Reflect.getMetadata(FASTIFY_ROUTE_CONFIG_METADATA, descriptor.value) ?? {};
    RouteConfig({ ...others, ...mark })(target, key, descriptor);
  };
