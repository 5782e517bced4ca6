import type { ServiceClientScope } from './service-client.entity.js';

/** Another service, as it is at this moment. */
export interface ServiceClient {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly ServiceClientScope[];
}
