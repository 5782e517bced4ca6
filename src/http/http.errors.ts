import { Problem } from '../problems/problem.js';

/** Whoever listened on the way has the tokens now; they must not be accepted (HDR-03). */
export class HttpsRequiredError extends Problem {
  constructor() {
    super('https_required');
  }
}

/** A browser sent it from another site. */
export class CrossSiteRequestError extends Problem {
  constructor() {
    super('cross_site_request');
  }
}
