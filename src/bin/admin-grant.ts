import { runAdminCommand } from './admin-command.js';

// Makes an account staff: npm run admin:grant -- EMAIL. There is no other way to the first one.
await runAdminCommand('grant');
