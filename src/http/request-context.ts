import { AsyncLocalStorage } from 'node:async_hooks';

/**
 * The id of the request that is being served, for what is too far down to be handed it. A statement that many requests
 * share carries the id of one of them.
 */
export const requestContext = new AsyncLocalStorage<string>();
