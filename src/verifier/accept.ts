import { keepCaller } from './caller.js';
import { RepeatedAuthorizationError } from './errors.js';
import type { Authenticator } from './refusal.js';

/** What is used of a request, under whichever framework. That of Fastify has the one of Node.js as `raw`. */
export interface AuthorizedRequest {
  readonly headers: { readonly authorization?: string | undefined };
  readonly rawHeaders?: readonly string[];
  readonly raw?: { readonly rawHeaders?: readonly string[] };
}

/** Keeps the caller with the request. Throws what the verifier throws, and {@link RepeatedAuthorizationError}. */
export async function accept(verifier: Authenticator, request: AuthorizedRequest): Promise<void> {
  if (isAuthorizationRepeated(request)) {
    throw new RepeatedAuthorizationError();
  }
  keepCaller(request, await verifier.authenticate(request.headers.authorization));
}

// Node.js gives the first of two and says nothing; a proxy in front may have taken the last.
function isAuthorizationRepeated({ rawHeaders, raw }: AuthorizedRequest): boolean {
  const fields = raw?.rawHeaders ?? rawHeaders ?? [];
  return fields.filter((name, i) => i % 2 === 0 && name.toLowerCase() === 'authorization').length > 1;
}
