// What other Nest applications import as "latchkey".
export { Public } from './http/public.decorator.js';
export { type Caller, CurrentCaller } from './sessions/caller.js';
export { SessionsService } from './sessions/sessions.service.js';
