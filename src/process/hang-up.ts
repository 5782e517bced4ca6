import { isatty } from 'node:tty';

const hadTerminal = isatty(0);

/**
 * Reloads when an operator sends SIGHUP. A terminal that is closed sends it too, and then the process stops in order,
 * since its user expects it to end with the terminal.
 */
export function onHangUp(reload: () => void): void {
  process.on('SIGHUP', () => {
    if (hadTerminal && !isatty(0)) {
      process.kill(process.pid, 'SIGTERM');
    } else {
      reload();
    }
  });
}
