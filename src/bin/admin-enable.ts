import { runAdminCommand } from './admin-command.js';

// Opens a disabled account again: npm run admin:enable -- EMAIL. For an admin whom no other admin can enable.
await runAdminCommand('enable');
