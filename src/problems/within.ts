/** What was asked takes longer than it may. */
export class LateError extends Error {}

/**
 * What a promise resolves to. Throws {@link LateError} where that takes longer; what it does goes on all the same. What has
 * arrived by then counts, also where this process was too busy to read it.
 */
export async function within<T>(milliseconds: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    // Sockets are read after timers, and before what is immediate.
    timer = setTimeout(() => {
      setImmediate(() => reject(new LateError(`no answer within ${milliseconds} ms`)));
    }, milliseconds);
  });
  try {
    return await Promise.race([promise, deadline]);
  } finally {
    clearTimeout(timer);
  }
}
