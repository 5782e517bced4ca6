import { InvalidRequestError } from './oauth-errors.js';

/** What a service client sent to prove who it is. */
export interface ClientCredentials {
  readonly clientId: string;
  readonly clientSecret: string;
}

/** Where a request may carry them. */
export interface CredentialSources {
  readonly authorization: string | undefined;
  /** The fields of its form; none where there is no form. */
  readonly form: Readonly<Record<string, string>>;
}

const BASIC = /^Basic +([A-Za-z0-9+/_-]+={0,2}) *$/i;
// Nothing that we issued: refused as any wrong secret is.
const UNUSABLE: ClientCredentials = { clientId: '', clientSecret: '' };

/**
 * Reads `client_secret_basic` or `client_secret_post` (RFC 6749, 2.3.1). Null where a request does not try to authenticate
 * a client: a `client_id` alone says who calls, and proves nothing. Whatever else is sent to prove it is not known here,
 * and is as wrong as a wrong secret. Throws `invalid_request` for two ways at once.
 */
export function readClientCredentials({ authorization, form }: CredentialSources): ClientCredentials | null {
  const { client_id: clientId, client_secret: clientSecret, client_assertion: assertion } = form;
  if (authorization === undefined) {
    if (assertion !== undefined) {
      return UNUSABLE;
    }
    return clientSecret === undefined ? null : { clientId: clientId ?? '', clientSecret };
  }
  if (clientSecret !== undefined || assertion !== undefined) {
    throw new InvalidRequestError({ detail: 'Authenticate the client in one way: in the header or in the form.' });
  }
  const credentials = readBasic(authorization);
  if (clientId !== undefined && clientId !== credentials.clientId) {
    throw new InvalidRequestError({ detail: 'The client_id of the form is not that of the Authorization header.' });
  }
  return credentials;
}

function readBasic(authorization: string): ClientCredentials {
  const [, encoded = ''] = BASIC.exec(authorization) ?? [];
  const pair = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = pair.indexOf(':');
  const [clientId, clientSecret] = [pair.slice(0, colon), pair.slice(colon + 1)].map(formDecoded);
  return colon < 0 || !clientId || !clientSecret ? UNUSABLE : { clientId, clientSecret };
}

// Each half is encoded as a field of a form is. Null where it is not.
function formDecoded(text: string): string | null {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return null;
  }
}
