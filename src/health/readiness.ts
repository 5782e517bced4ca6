import { Injectable } from '@nestjs/common';

/** Whether this process still wants new work. */
@Injectable()
export class Readiness {
  private isStopping = false;

  get isReady(): boolean {
    return !this.isStopping;
  }

  /** From now on load balancers are told to look elsewhere. Requests that come all the same are still served. */
  stop(): void {
    this.isStopping = true;
  }
}
