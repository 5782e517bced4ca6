/**
 * Who makes a request: a user, and the session that the access token belongs to. The role is not known here: neither a token
 * nor `/verify/batch` has it. Ask `/verify?role=admin` with the token, or keep the roles of your service in your service.
 */
export interface Caller {
  readonly userId: string;
  readonly sessionId: string;
  /** The id of the access token (`jti`). */
  readonly tokenId: string;
  /** When this session last proved who its user is: by the login, or by giving the password again. */
  readonly authenticatedAt: Date;
  /** When the access token expires. Its session may end earlier. */
  readonly expiresAt: Date;
  /** The e-mail address or name that the user logs in with. Undefined in mode `signature`: no token has it. */
  readonly username?: string;
  /** How the user proved who they are (RFC 8176). Undefined while Latchkey has no second factors. */
  readonly amr?: readonly string[];
  /** How well, `aal1` or `aal2`. Undefined while Latchkey has no second factors. */
  readonly acr?: string;
}

// The same symbol for every copy of this package that an application may have.
const CALLER = Symbol.for('latchkey.verifier.caller');

/** Keeps the caller with the request that was accepted. */
export function keepCaller(request: object, caller: Caller): void {
  Object.assign(request, { [CALLER]: caller });
}

/** The caller of a request that the middleware, hook or guard has accepted; undefined where none of them saw it. */
export const findCaller = (request: object): Caller | undefined => {
  // Nothing but keepCaller writes under this symbol.
  return (request as { readonly [CALLER]?: Caller })[CALLER];
};

/** The caller of a request that the middleware, hook or guard has accepted. Throws where the route is not protected. */
export function callerOf(request: object): Caller {
  const caller = findCaller(request);
  if (!caller) {
    throw new Error(
      "This request has no caller: no middleware, hook or guard of Latchkey's verifier protects its route.",
    );
  }
  return caller;
}
