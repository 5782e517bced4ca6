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

  /** From now on `/health/ready` answers 503, so that load balancers look elsewhere. Requests are still served. */
  stop(): void {
    this.state = 'stopping';
  }

  /** From now on every answer closes its connection, so that clients connect to another worker. */
  leave(): void {
    this.state = 'leaving';
  }
}
