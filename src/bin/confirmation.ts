import { createInterface } from 'node:readline/promises';

/** Asks at the terminal. Only `yes` is a yes. */
export async function isConfirmed(): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return (await terminal.question('Type yes to go on: ')).trim() === 'yes';
  } finally {
    terminal.close();
  }
}
