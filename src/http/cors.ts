import type { NestFastifyApplication } from '@nestjs/platform-fastify';

const PREFLIGHT_SECONDS = 600;

/** Lets pages of these origins read our answers, with cookies. Without an origin nothing is allowed. */
export function allowOrigins(app: NestFastifyApplication, origins: readonly string[]): void {
  if (origins.length === 0) {
    return;
  }
  app.enableCors({
    delegator: (request, done) =>
      done(null, {
        origin: [...origins],
        credentials: true,
        methods: ['GET', 'HEAD', 'POST', 'PATCH', 'DELETE'],
        allowedHeaders: ['Authorization', 'Content-Type', 'Last-Event-ID', 'X-Request-Id'],
        exposedHeaders: ['X-Request-Id', 'Retry-After', 'WWW-Authenticate'],
        maxAge: PREFLIGHT_SECONDS,
        // Any other OPTIONS is a method like the rest, and gets its 405.
        preflight: 'access-control-request-method' in request.headers,
      }),
  });
}
