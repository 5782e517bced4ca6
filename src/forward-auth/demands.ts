import type { FieldError } from '../problems/problem.js';
import { type Role, ROLES } from '../users/user.entity.js';
import { InvalidParametersError } from './forward-auth.errors.js';

/** How a session was proved, from the weakest on. */
export const ACRS = ['aal1', 'aal2'] as const;
export type Acr = (typeof ACRS)[number];

/** What a proxy asks for beyond an open session. */
export interface Demands {
  readonly role?: Role;
  readonly acr?: Acr;
  readonly maxAgeSeconds?: number;
  /** Who the assertion is for. */
  readonly audience?: string;
}

interface Question {
  readonly query: unknown;
  /** Whether the query is the proxy's own, and not that of the request it asks about. */
  readonly isQueryOwn: boolean;
}

const NAMES: ReadonlySet<string> = new Set(['role', 'acr', 'max_age', 'audience', 'sign_in']);
const AUDIENCE = /^[\x21-\x7e]{1,200}$/;
/** What a `sign_in` must be. */
export const SIGN_IN_RULE = 'must be once, an address on the origin of PUBLIC_URL or on one of RETURN_TO_ORIGINS';

const SECONDS = /^\d{1,9}$/;

interface Rules {
  /** The audience of access tokens, which an assertion must not have. */
  readonly accessAudience: string;
  readonly isSignInPage: (address: string) => address is string;
}

/**
 * Reads the parameters. Where the path goes on below `/verify`, a proxy may have appended the path and the query of the request
 * that it asks about: then what asks for more is read all the same, which a client may do to itself, and nothing else is. Throws
 * {@link InvalidParametersError} for what is not as it should be: a demand that cannot be read must not let anyone in. `sign_in`
 * asks nothing of who is signed in, and a wrong one is refused all the same: whoever set it up would see nothing of it.
 */
export function readDemands({ query, isQueryOwn }: Question, rules: Rules): Demands {
  const parameters = new Parameters(query);
  const role = parameters.take('role', isRole, `must be one of ${ROLES.join(', ')}`);
  const acr = parameters.take('acr', isAcr, `must be one of ${ACRS.join(', ')}`);
  const maxAge = parameters.take('max_age', isSeconds, 'must be a whole number of seconds');
  const audience = isQueryOwn ? takeOwn(parameters, rules) : undefined;
  parameters.refuseBad();
  return {
    ...(role !== undefined && { role }),
    ...(acr !== undefined && { acr }),
    ...(maxAge !== undefined && { maxAgeSeconds: Number(maxAge) }),
    ...(audience !== undefined && { audience }),
  };
}

/** What only the proxy itself may ask; of it, the audience is a demand. */
function takeOwn(parameters: Parameters, { accessAudience, isSignInPage }: Rules): string | undefined {
  parameters.refuseOthers();
  parameters.take('sign_in', isSignInPage, SIGN_IN_RULE);
  const isAudience = (text: string): text is string => AUDIENCE.test(text) && text !== accessAudience;
  return parameters.take(
    'audience',
    isAudience,
    'must have 1 to 200 visible ASCII characters, and not be JWT_AUDIENCE',
  );
}

/** Whether one is at least the other. */
export const hasAcr = (actual: Acr, required: Acr): boolean => ACRS.indexOf(actual) >= ACRS.indexOf(required);

/** The parameters of a query, each once, and what is wrong with them. */
class Parameters {
  private readonly errors: FieldError[] = [];
  private readonly values: ReadonlyMap<string, unknown>;

  constructor(query: unknown) {
    this.values = new Map(typeof query === 'object' && query !== null ? Object.entries(query) : []);
  }

  take<Value extends string>(name: string, isValue: (text: string) => text is Value, message: string) {
    const value = this.values.get(name);
    if (value === undefined) {
      return undefined;
    }
    if (typeof value === 'string' && isValue(value)) {
      return value;
    }
    this.errors.push({ field: name, message: typeof value === 'string' ? message : 'must be there once' });
    return undefined;
  }

  refuseOthers(): void {
    for (const name of this.values.keys()) {
      if (!NAMES.has(name)) {
        this.errors.push({ field: name, message: 'is not expected here' });
      }
    }
  }

  refuseBad(): void {
    if (this.errors.length > 0) {
      throw new InvalidParametersError(this.errors);
    }
  }
}

const isRole = (text: string): text is Role => ROLES.some((role) => role === text);
const isAcr = (text: string): text is Acr => ACRS.some((acr) => acr === text);
const isSeconds = (text: string): text is string => SECONDS.test(text);
