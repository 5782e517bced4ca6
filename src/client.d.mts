import type { components, paths } from './client/openapi.d.mts';

type Schemas = components['schemas'];

export type User = Schemas['User'];
export type Session = Schemas['Session'];
export type EndedSession = Schemas['EndedSession'];
export type EndedSessionsPage = Schemas['EndedSessionsPage'];
export type AuthResult = Schemas['AuthResult'];
export type FieldError = Schemas['FieldError'];
export type EndReason = Schemas['EndReason'];
export type ProblemCode = Schemas['ProblemCode'];

/** Why it was signed out: the reason of the session's end, or the code of the refusal where that is all that is known. */
export type SignedOutReason =
  | EndReason
  | Extract<
      ProblemCode,
      'invalid_token' | 'invalid_refresh_token' | 'session_revoked' | 'session_expired' | 'refresh_token_reused'
    >;

/** Keeps the refresh token where its delivery is `body`. It is a password for one device: keep it as one. */
export interface RefreshTokenStorage {
  /** Asked before each use, so that processes may share a storage. */
  get(): string | null | undefined | Promise<string | null | undefined>;
  set(refreshToken: string): void | Promise<void>;
  delete(): void | Promise<void>;
  /** Runs this while no other process does the same, where several share the storage. */
  lock?<T>(work: () => Promise<T>): Promise<T>;
}

export interface ClientOptions {
  /** The address of Latchkey. Only a page that Latchkey's own origin serves can do without. */
  readonly baseUrl?: string;
  /** `cookie` (the default) for browsers: no script sees the refresh token. `body` for all else. */
  readonly tokenDelivery?: Schemas['TokenDelivery'];
  /** For the delivery `body`; in memory where it is left out. */
  readonly storage?: RefreshTokenStorage;
  /** Whether it hears at once of what happens to the account's sessions. Where it is left out: with cookies only. */
  readonly followEvents?: boolean;
  /** Other origins that `fetch` may send the access token to: your own APIs. */
  readonly otherOrigins?: readonly string[];
}

/** What happened to a session of the account. `resync` says that something was missed: read the list again. */
export type SessionEvent =
  | ({ readonly type: 'session.created' | 'session.refreshed' | 'session.renamed' } & Readonly<
      Schemas['SessionChange']
    >)
  | ({ readonly type: 'session.revoked' } & Readonly<Schemas['SessionRevocation']>)
  | { readonly type: 'resync' };

/** The events of a client, and what each has as its `detail`. */
export interface ClientEvents {
  /** Once for each session, also where another tab signed in. */
  signedin: null;
  /** What is known of the user changed. */
  user: null;
  /** `wasSignedIn` is false where a start found that the kept refresh token is no longer good. */
  signedout: { readonly reason: SignedOutReason; readonly wasSignedIn: boolean };
  session: SessionEvent;
  /** From here on nothing is missed, but it may come late where `isLate`. */
  live: { readonly isLate: boolean };
  /** The service does not answer, or the event stream broke off: until the next `live` events are missed. */
  lost: { readonly error: unknown };
}

export interface ClientEvent<Type extends keyof ClientEvents> {
  readonly type: Type;
  readonly detail: ClientEvents[Type];
}

type Listener<Type extends keyof ClientEvents> = (event: ClientEvent<Type>) => void;

// --- The routes, by the OpenAPI document

// What opens or ends the session has a method of its own, and the event stream has events.
type OwnMethod =
  | `/auth/${'login' | 'register' | 'refresh' | 'logout' | 'logout-all' | 'me/delete' | 'password/change'}`
  | '/sessions/events';
type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';
type Defined<T> = { [Key in keyof T as [T[Key]] extends [undefined] ? never : Key]: T[Key] };
type MethodsOf<Path extends keyof paths> = Extract<keyof Defined<paths[Path]>, Method>;
type Operation<Path extends keyof paths, M extends string> =
  Lowercase<M> extends keyof paths[Path] ? NonNullable<paths[Path][Lowercase<M>]> : never;
type PathOf<M extends string> = {
  [Path in Exclude<keyof paths, OwnMethod>]: Lowercase<M> extends MethodsOf<Path> ? Path : never;
}[Exclude<keyof paths, OwnMethod>];

type Json<Content> = Content extends { content: { 'application/json': infer Body } } ? Body : never;
type Success<Responses> = Responses[Extract<keyof Responses, 200 | 201 | 202 | 204>];
type AnswerOf<Op> = Op extends { responses: infer Responses }
  ? [Json<Success<Responses>>] extends [never]
    ? null
    : Json<Success<Responses>>
  : never;

type BodyOf<Op> = Op extends { requestBody: infer Body }
  ? { body: Json<Body> }
  : Op extends { requestBody?: infer Body }
    ? [Json<NonNullable<Body>>] extends [never]
      ? { body?: never }
      : { body?: Json<NonNullable<Body>> }
    : { body?: never };
type ParamsOf<Op> = Op extends { parameters: { path: infer Params } } ? { params: Params } : { params?: never };
type QueryOf<Op> = Op extends { parameters: { query: infer Query } }
  ? { query: Query }
  : Op extends { parameters: { query?: infer Query } }
    ? { query?: Query }
    : { query?: never };
type ValuesOf<Op> = BodyOf<Op> & ParamsOf<Op> & QueryOf<Op>;
type Arguments<Values> = Record<string, never> extends Values ? [values?: Values] : [values: Values];

/** A sign-in at Latchkey, which all tabs of an origin share. */
export declare class LatchkeyClient {
  constructor(options?: ClientOptions);

  /** Null while nobody is signed in. */
  readonly user: User | null;
  /** This device's session; null while nobody is signed in. */
  readonly session: Session | null;
  readonly isSignedIn: boolean;
  /** Why nobody is signed in any more; null before, and after the next sign-in. */
  readonly signedOutReason: SignedOutReason | null;

  /**
   * Finds out whether an earlier sign-in goes on, and says so. It asks other tabs first, and goes on trying while the service
   * does not answer. With `isFresh` it asks the service in any case, which sets its cookies again.
   */
  start(options?: { readonly isFresh?: boolean }): Promise<boolean>;
  /** Stops following and retrying. Nothing is signed out. */
  close(): void;

  logIn(credentials: Omit<Schemas['LoginRequest'], 'tokenDelivery'>): Promise<void>;
  /** Says whether it signed in. It does not where the address must be confirmed first. */
  register(account: Omit<Schemas['RegisterRequest'], 'tokenDelivery'>): Promise<boolean>;
  /** Gets another access token. Says whether anyone is signed in; if not, `signedout` said why. */
  refresh(): Promise<boolean>;
  logOut(): Promise<void>;
  logOutEverywhere(): Promise<void>;
  /** Ends every other session. Answers how many. */
  logOutOthers(): Promise<number>;
  /** Ends every session, and opens another one here. */
  changePassword(passwords: Schemas['ChangePasswordRequest']): Promise<void>;
  deleteAccount(password: string): Promise<void>;

  listSessions(): Promise<Session[]>;
  listEndedSessions(page?: { limit?: number; cursor?: string }): Promise<EndedSessionsPage>;
  revokeSession(id: string): Promise<void>;
  renameSession(id: string, deviceName: string): Promise<Session>;
  /** Everything that is stored about the user, as a file of JSON. */
  exportAccount(): Promise<Blob>;
  /** Reads the user again: an address may have been confirmed elsewhere. */
  reloadUser(): Promise<void>;

  /**
   * Any other route of the API, with a fresh access token where this one is over. Answers the JSON, or null where there is
   * none. Throws {@link ApiError}, {@link UnreachableError} or {@link SignedOutError}.
   */
  request<M extends Uppercase<Method>, Path extends PathOf<M>>(
    method: M,
    path: Path,
    ...values: Arguments<ValuesOf<Operation<Path, M>>>
  ): Promise<AnswerOf<Operation<Path, M>>>;

  /**
   * The platform's `fetch` with the access token, for routes of your own. An answer of 401 is asked for once more with a
   * fresh token. Throws a TypeError for an origin that is neither Latchkey's nor in `otherOrigins`.
   */
  fetch(address: string | URL, init?: RequestInit): Promise<Response>;
  /** An access token that lives for another half minute at least, for what is no `fetch`; null while nobody is signed in. */
  getAccessToken(): Promise<string | null>;

  addEventListener<Type extends keyof ClientEvents>(
    type: Type,
    listener: Listener<Type> | null,
    options?: { readonly once?: boolean; readonly signal?: AbortSignal },
  ): void;
  removeEventListener<Type extends keyof ClientEvents>(type: Type, listener: Listener<Type> | null): void;
}

/** Keeps the refresh token until the process ends. */
export declare function memoryStorage(): RefreshTokenStorage;

/** Any error of the client. Its `code` says what happened. */
export declare class LatchkeyError extends Error {
  readonly code: ProblemCode | 'unknown' | 'unreachable' | 'signed_out';
}

/** What the API refused. The code is `unknown` where the answer was not one of Latchkey's. */
export declare class ApiError extends LatchkeyError {
  readonly code: ProblemCode | 'unknown';
  readonly status: number;
  /** What is wrong with which field, where the code is `validation_failed`. */
  readonly errors: readonly FieldError[];
  /** The id under which the service logged the request. */
  readonly requestId: string | null;
  readonly retryAfterSeconds: number | null;
}

/** There was no answer. What was asked for may have been done. */
export declare class UnreachableError extends LatchkeyError {
  readonly code: 'unreachable';
}

/** The session ended before the request was answered. */
export declare class SignedOutError extends LatchkeyError {
  readonly code: 'signed_out';
  readonly reason: SignedOutReason;
}
