import { Injectable } from '@nestjs/common';

/** Whether this process still wants new work. */
@Injectable()
export class Readiness {
  private state: 'serving' | 'leaving' | 'stopping' = 'serving';

  get isReady(): boolean {
    return this.state !== 'stopping';
  }

  /** Whether this process is about to go, so that a connection to it is worth nothing any more. */
  get isLeaving(): boolean {
    return this.state !== 'serving';
  }

  /** From now on load balancers are told to look elsewhere. Requests that come all the same are still served. */
  stop(): void {
    this.state = 'stopping';
  }

  /** From now on clients are told to connect again: to another worker, for the service as a whole goes on. */
  leave(): void {
    this.state = 'leaving';
  }
}
