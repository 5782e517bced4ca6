/**
 * Questions to the database that wait at the same moment share one statement. While one is under way the next gathers, and it
 * begins only after all of its questions were asked: each is answered by the rows as they are after it was asked, and no
 * answer is kept.
 */
export class Gathering<Question> {
  private waiting: Question[] = [];
  private isAsking = false;

  /** @param answer answers all that it is given. It never rejects, and takes no longer than the next ones may wait. */
  constructor(private readonly answer: (questions: readonly Question[]) => Promise<void>) {}

  /** Adds a question to those of the next statement. */
  add(question: Question): void {
    this.waiting.push(question);
    this.askNext();
  }

  private askNext(): void {
    if (this.isAsking || this.waiting.length === 0) {
      return;
    }
    this.isAsking = true;
    // After this turn of the event loop: requests that were read from their sockets together are asked together.
    setImmediate(() => {
      const questions = this.waiting;
      this.waiting = [];
      void this.answer(questions).finally(() => {
        this.isAsking = false;
        this.askNext();
      });
    });
  }
}
