import Negotiator from 'negotiator';

// What is longer than any browser sends is not read whole.
const ACCEPT_MAX_LENGTH = 1000;

/**
 * The media types that a client takes, by its `Accept`, most wanted first: all that it names, as it writes them, or those of a
 * list. Where the header is missing it takes anything.
 */
export const acceptedTypes = (accept = '*/*', among?: readonly string[]): readonly string[] =>
  new Negotiator({ headers: { accept: accept.slice(0, ACCEPT_MAX_LENGTH) } }).mediaTypes(among && [...among]);
