import { runAdminCommand } from './admin-command.js';

// Makes an admin a user again: npm run admin:revoke -- EMAIL. The last one who is not disabled stays.
await runAdminCommand('revoke');
