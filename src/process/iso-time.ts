let second = Number.NaN;
let upToSecond = '';

/** The time of a record, as pino wants it. Lines of one second share what makes a date costly: a fifth of a line's price. */
export function isoTime(): string {
  const now = Date.now();
  const milliseconds = now % 1000;
  if (now - milliseconds !== second) {
    second = now - milliseconds;
    upToSecond = new Date(second).toISOString().slice(0, -4);
  }
  return `,"time":"${upToSecond}${String(milliseconds).padStart(3, '0')}Z"`;
}
