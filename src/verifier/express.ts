import { accept, type AuthorizedRequest } from './accept.js';
import type { Authenticator } from './refusal.js';

// What is used of Express, so that its types need not be installed. Connect, and Node's own server, have it too.
interface Response {
  statusCode: number;
  setHeader(name: string, value: string): unknown;
  end(body: string): unknown;
}

export type ExpressMiddleware = (
  request: AuthorizedRequest,
  response: Response,
  next: (error?: unknown) => void,
) => void;

export const expressMiddleware =
  (verifier: Authenticator): ExpressMiddleware =>
  (request, response, next) => {
    accept(verifier, request).then(
      () => next(),
      (error: unknown) => refuse(verifier, error, response, next),
    );
  };

function refuse(verifier: Authenticator, error: unknown, response: Response, next: (error?: unknown) => void): void {
  try {
    const { status, headers, problem } = verifier.refusalOf(error);
    response.statusCode = status;
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    response.end(JSON.stringify(problem));
  } catch (unexpected) {
    next(unexpected);
  }
}
