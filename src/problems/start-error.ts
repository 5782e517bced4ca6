/** Why the service does not start, in words for its operator: shown without a stack, and never with a secret. */
export class StartError extends Error {
  constructor(message: string) {
    super(message);
    this.name = new.target.name;
    // Where in our code it was raised is no help to an operator.
    this.stack = message;
  }
}
