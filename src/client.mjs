// A client of Latchkey for browsers and Node.js, without dependencies: served at /client.mjs, and `latchkey/client` of the
// package. src/client/README.md explains it; client.d.mts has its types.
export { ApiError, LatchkeyError, SignedOutError, UnreachableError } from './client/errors.mjs';
export { LatchkeyClient } from './client/latchkey-client.mjs';
export { memoryStorage } from './client/body-delivery.mjs';
