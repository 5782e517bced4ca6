import { CreateUsersSessionsAndAudit1795000000000 } from './1795000000000-create-users-sessions-and-audit.js';

/** In the order they run. */
export const migrations = [CreateUsersSessionsAndAudit1795000000000];
