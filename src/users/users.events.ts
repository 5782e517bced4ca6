/** A password was hashed or verified. */
export class PasswordHashed {
  /** From asking to having it, waiting included. */
  constructor(readonly milliseconds: number) {}
}
