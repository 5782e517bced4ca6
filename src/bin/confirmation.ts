import { createInterface } from 'node:readline/promises';

/**
 * Whether a command may go on: where it was told so, or a person at the terminal says `yes`. Where not, it says that nothing was
 * done, and the process ends with 1.
 */
export async function mayGoOn(isSure: boolean): Promise<boolean> {
  if (isSure || (await isConfirmed())) {
    return true;
  }
  console.error('Nothing was done.');
  process.exitCode = 1;
  return false;
}

/** Asks at the terminal. Only `yes` is a yes. */
async function isConfirmed(): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return (await terminal.question('Type yes to go on: ')).trim() === 'yes';
  } finally {
    terminal.close();
  }
}
