/** Waits until something holds, asking again and again. Fails with the last error or value if it never does. */
export async function until<T>(
  what: string,
  ask: () => T | false | null | undefined | Promise<T | false | null | undefined>,
  seconds = 30,
): Promise<T> {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const answer = await ask();
    if (answer) {
      return answer;
    }
    if (Date.now() > deadline) {
      throw new Error(`never happened: ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
