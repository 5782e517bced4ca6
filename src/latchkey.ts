// What other Nest applications import as "latchkey".
export { AccessTokens } from './auth/access-tokens.js';
export { ConfigError } from './config/load-config.js';
export { JwtAuthGuard, Roles } from './hosted/jwt-auth.guard.js';
export { type LatchkeyAsyncOptions, LatchkeyModule } from './hosted/latchkey.module.js';
export { type LatchkeySettings, settingsFromEnvironment } from './hosted/settings.js';
export { Public } from './http/public.decorator.js';
export { type RequestSource, Source } from './http/request-source.js';
export { Problem } from './problems/problem.js';
export { SessionEnd, type SessionWatch, SessionWatcher } from './session-events/session-watcher.js';
export { type Caller, CurrentCaller } from './sessions/caller.js';
export { SessionChecker } from './sessions/check/session-checker.js';
export { LogoutService } from './sessions/revoke/logout.service.js';
export { SessionsService } from './sessions/sessions.service.js';
