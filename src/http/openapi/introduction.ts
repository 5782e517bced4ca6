/** The texts with which the OpenAPI document begins, and those of its tags and security schemes. */
export const DESCRIPTION = `Sessions that end when you end them.

A person signs in from many devices, sees them, and logs out this one, another one, or all. From the moment of the
answer every token of an ended session is refused, access tokens included.

**Try it here.** Register: the page at \`/docs\` authorizes itself with the access token of every answer that has one, and
forgets it when the session ends. The refresh token travels as an HttpOnly cookie that your browser keeps and sends by
itself. There is nothing to paste. The headings below are in the order of a first visit; each says what to try.

**Errors** are \`application/problem+json\` (RFC 9457), each with a stable \`code\`. Besides those of each route, any
request may be refused as not HTTP (400 \`bad_request\`), too slow (408), at no address (404 \`not_found\`), with a
method the address does not take (405 \`method_not_allowed\`, with \`Allow\`), or as too long (414, 431). Behind a proxy that
received it over plain http it is refused with 403 \`https_required\`.

**Which refusal comes first.** A request with several faults is refused for the first of these: no such address (404), a
method it does not take (405), plain http at the proxy or another site in a browser (403), no good access token (401), not
the role (403), the body or a parameter (413, 415, 400), too many tries (429), and last what only the route itself can
know, such as a session that is not there (404) or a wrong password. So a 429 says that the request was well-formed, and
nothing is said about a body to a caller who may not send one. A form below \`/oauth/\` may carry the credentials itself: without
an \`Authorization\` header its faults come first.

**Every answer** carries \`X-Request-Id\`; send one of \`[A-Za-z0-9._-]{1,64}\` and it is kept.`;

export const TAGS: readonly (readonly [name: string, description: string])[] = [
  [
    'Sign in and out',
    `- \`POST /auth/register\` creates an account and signs this browser in. \`GET /auth/me\` says who you are.
- \`POST /auth/login\`, with another \`deviceName\`, is another device: you are who signed in last.
- \`POST /auth/refresh\` exchanges the cookie for a fresh access token. After \`POST /auth/logout\` both are refused.`,
  ],
  [
    'Devices',
    `- \`GET /sessions\` lists where you are signed in. The routes with an \`id\` offer those of the last list.
- \`PATCH /sessions/{id}\` names a device; \`DELETE /sessions/{id}\` ends it: its very next request is refused.
- \`GET /sessions/history\` says which sessions ended, why, and who ended them.`,
  ],
  [
    'Account',
    `- \`POST /auth/password/change\` ends every session, and gives this device a fresh one.
- \`POST /auth/password/forgot\` and \`POST /auth/email/change\` send mails. Their links carry the \`token\` of the routes that take one.
- \`GET /auth/me/export\` has everything that is stored about you; \`POST /auth/me/delete\` deletes the account.`,
  ],
  [
    'Live events',
    `- \`GET /sessions/events\` goes on while you try the rest: run it, and its events appear one by one.
- Sign in, rename or end a device, here or elsewhere, on any instance: it arrives at once.
- End the session that listens: \`session.revoked\` is its last event, and the stream closes.`,
  ],
  [
    'Staff',
    `- \`npm run admin:grant -- you@example.com\` makes an account an admin. The access token it has stays the same.
- \`GET /admin/users\` finds accounts; the other routes offer their ids. End the sessions of one, or disable it.
- \`GET /admin/audit\` says what happened, to whom, and who did it.`,
  ],
  [
    'Service clients',
    `- Other services ask with a secret of their own. \`POST /admin/clients\` makes one, shows it once, and authorizes this page with it.
- \`POST /admin/clients/{id}/secret\` makes a second one, so that it can be replaced without an interruption.
- \`DELETE /admin/clients/{id}\` ends a service: its very next call is refused.`,
  ],
  [
    'Other services',
    `- First make a client, as staff: \`POST /admin/clients\` above authorizes this page with it. Or run
  \`npm run client:add -- NAME --scope introspect,verify,revoke\`, and enter what it prints under "Authorize".
- \`POST /oauth/introspect\` says whether a token is active at this moment: yours is filled in. Log out, ask again: it is not.
  \`POST /verify/batch\` says it of 500 access tokens at once. \`GET /.well-known/oauth-authorization-server\` has all the addresses.
- \`POST /oauth/revoke\` ends the session of a token, and \`POST /oauth/global-token-revocation\` every session of a user.`,
  ],
  [
    'Receivers',
    `- \`POST /admin/receivers\` has another service sent what happens to sessions and accounts: as webhooks, or as logout tokens.
- \`POST /admin/receivers/{id}/test\` sends it a test. \`GET /admin/receivers/{id}/deliveries\` shows what came of it.
- Log in and out: each is a delivery, within a second. Stop the receiver, and they wait for it, for three days.`,
  ],
  [
    'Shared signals',
    `- For partners that speak the OpenID Shared Signals Framework. They need a service client: \`npm run client:add -- NAME --scope signals\`.
- \`POST /ssf/streams\` makes a stream, \`POST /ssf/verify\` sends an event into it, and \`POST /ssf/streams/{id}/poll\` fetches what waits.
- Log out, and poll again: there is a \`session-revoked\`, until you acknowledge it.`,
  ],
  [
    'Reverse proxies',
    `- \`GET /verify\` answers a proxy that asks whether a request may pass: 200 with who is there, 401, 403 or 503.
- Try it with \`role=admin\`: 403, unless you are one. With \`audience=https://app.example.com\` there is an assertion.
- End the session: from then on it is 401.`,
  ],
  [
    'Keys',
    `- \`GET /.well-known/jwks.json\` has the public keys: any service can verify an access token with them.
- That says who issued a token. Whether its session is still open, only Latchkey knows.
- \`npm run keys:rotate\` makes the next key: it stands here at once, and signs twenty minutes later.`,
  ],
  [
    'Health',
    `- \`GET /health/live\`: does the process run?
- \`GET /health/ready\`: can it serve requests? Stop the database, and it says no.
- Both are for anyone, and need no access token.`,
  ],
];

export const BEARER = 'The accessToken of a login. The page at /docs fills it in by itself.';

export const STAFF =
  'The accessToken of an account with the role admin: `npm run admin:grant -- you@example.com` gives it to yours. ' +
  'It is the same token as that of bearer.';

export const SERVICE_CLIENT =
  'The client_id and client_secret of another service: `npm run client:add -- NAME --scope introspect` makes one, and so ' +
  'does `POST /admin/clients`. They may be sent in the form instead.';

export const REFRESH_COOKIE =
  'The refresh token. Login, register and refresh set it as an HttpOnly cookie and the browser sends it by itself: log ' +
  'in on this page, then try it, with nothing to type here. Over plain http it is called refresh_token.';

export const VISIT_COOKIE =
  'Set beside the refresh token where `VISIT_COOKIE=on`. Only `/verify` takes it. Where `VISIT_COOKIE_DOMAIN` is set it is ' +
  'called `__Secure-visit`, and over plain http `visit`.';
