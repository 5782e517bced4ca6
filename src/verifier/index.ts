// The public entry `latchkey/verifier`. The guard for Nest is `latchkey/verifier/nest`, so that nobody else needs Nest.
export { type Caller, callerOf } from './caller.js';
export {
  InvalidTokenError,
  RepeatedAuthorizationError,
  UnavailableError,
  type UnavailableReason,
  VerifierError,
  VerifierSettingsError,
} from './errors.js';
export type { ExpressMiddleware } from './express.js';
export type { FastifyHook } from './fastify.js';
export type { Refusal } from './refusal.js';
export type { SignatureSettings, StrictSettings, VerifierSettings } from './settings.js';
export { createVerifier, Verifier } from './verifier.js';
