import { destination } from 'pino';

// What is not yet written; beyond it lines are dropped.
const BACKLOG_MAX_BYTES = 1_048_576;
const INFO = 30;
// A pipe takes as much as a whole or not at all, so that the lines of several workers do not mix (PIPE_BUF).
const WRITE_MAX_BYTES = 4096;
const RETRY_AFTER_MS = 100;

/**
 * Standard output that stops nobody. A warning or an error is written before the call returns; lines of less weight together,
 * as soon as the process has done what is at hand, so that requests which are answered together cost one write. What cannot be
 * written, since nobody reads, the disk is full or the pipe is closed, is kept for later, and beyond a mebibyte dropped:
 * `onDropped` is then called, when the rest is out, with how many lines were. `textOf` says what is written of a line.
 */
export function standardOutput(textOf: (line: string) => string, onDropped: (count: number) => void) {
  const stdout = destination({
    // Reading this property also makes a pipe refuse what it has no room for, instead of stopping the process.
    fd: process.stdout.fd,
    sync: true,
    maxLength: BACKLOG_MAX_BYTES,
    maxWrite: WRITE_MAX_BYTES,
    // Trying again at once is sleeping.
    retryEAGAIN: () => false,
  });
  let dropped = 0;
  let retry: NodeJS.Timeout | undefined;
  const writeRest = () => {
    retry = undefined;
    // Nothing new, so that a full backlog does not drop it.
    stdout.write('');
    if (retry === undefined && dropped > 0) {
      const count = dropped;
      dropped = 0;
      onDropped(count);
    }
  };
  stdout.on('drop', (lines: string) => (dropped += lines.split('\n').length - 1));
  stdout.on('error', () => {
    retry ??= setTimeout(writeRest, RETRY_AFTER_MS).unref();
  });

  let waiting = '';
  const writeWaiting = () => {
    if (waiting !== '') {
      const lines = waiting;
      waiting = '';
      stdout.write(lines);
    }
  };
  process.once('exit', writeWaiting);
  return {
    // Makes pino say the level of each line.
    [Symbol.for('pino.metadata')]: true,
    lastLevel: INFO,
    write(line: string): void {
      const text = textOf(line);
      if (waiting.length + text.length > WRITE_MAX_BYTES) {
        writeWaiting();
      }
      if (waiting === '') {
        setImmediate(writeWaiting);
      }
      waiting += text;
      if (this.lastLevel > INFO) {
        writeWaiting();
      }
    },
  };
}
