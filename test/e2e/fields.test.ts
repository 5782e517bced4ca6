import { someone } from '../support/api.js';
import { useApp } from '../support/app.js';
import { expectProblem } from '../support/problem.js';

const t = useApp();

const bad: [string, Record<string, unknown>][] = [
  ['an unknown field', { admin: true }],
  ['a role', { role: 'admin' }],
  ['an e-mail that is no string', { email: ['a@example.com'] }],
  ['an e-mail object', { email: { $gt: '' } }],
  ['an e-mail without @', { email: 'example.com' }],
  ['an e-mail with two @', { email: 'a@b@example.com' }],
  ['an e-mail with a space', { email: ' a@example.com' }],
  ['an e-mail with a line break', { email: 'a@example.com\n' }],
  ['an e-mail with NUL', { email: 'a\u0000@example.com' }],
  ['an e-mail beyond ASCII', { email: 'ma\u0131l@example.com' }],
  ['an e-mail with a look-alike character', { email: '\u212Aate@example.com' }],
  ['a quoted local part', { email: '"ada"@example.com' }],
  ['a local part of 65 characters', { email: `${'a'.repeat(65)}@example.com` }],
  [
    'an e-mail of 255 characters',
    { email: `a@${'b'.repeat(60)}.${'c'.repeat(60)}.${'d'.repeat(60)}.${'e'.repeat(66)}.com` },
  ],
  ['a password that is a number', { password: 12345678 }],
  ['a password with NUL', { password: 'correct\u0000horse' }],
  ['a password with a lone surrogate', { password: 'correct horse \ud800' }],
  ['no password', { password: '' }],
  ['a name that is null', { name: null }],
  ['a name with a line break', { name: 'Ada\nLovelace' }],
  ['a name that reverses the direction of writing', { name: 'Ada \u202e' }],
  ['a name of 101 characters', { name: 'x'.repeat(101) }],
  ['a device name of 65 characters', { deviceName: 'x'.repeat(65) }],
  ['an unknown delivery', { tokenDelivery: 'pigeon' }],
  ['a delivery that is null', { tokenDelivery: null }],
];

it.each(bad)('A registration with %s is refused and changes nothing', async (_, changes) => {
  const count = () => t.database.query('SELECT count(*) FROM users');
  const before = await count();
  const answer = await t.api.register({ ...someone(), ...changes });
  expectProblem(answer, 400, 'validation_failed');
  expect((answer.body as any).errors).toEqual([{ field: Object.keys(changes)[0], message: expect.any(String) }]);
  expect(await count()).toEqual(before);
});

it.each<[string, unknown, string]>([
  ['email', 'ada', 'must be an e-mail address'],
  ['email', '', 'must be an e-mail address'],
  ['email', null, 'must be an e-mail address'],
  [
    'email',
    'ädä@example.com',
    'must be an e-mail address in ASCII: without accents, and without letters of other scripts',
  ],
  ['password', '', 'must not be empty'],
  ['password', 5, 'must be a string'],
  ['password', 'tab\t', 'must not contain control characters'],
  ['password', 'nul\u0000', 'must not contain control characters'],
  ['password', 'p'.repeat(129), 'must not have more than 128 characters'],
  ['password', 'short', 'must have at least 8 characters'],
  ['password', 'password123', 'is among the most common passwords; attackers try those first'],
  ['name', 'x'.repeat(101), 'must not have more than 100 characters'],
  ['name', '', 'must contain a visible character, and no control or text direction characters'],
  ['deviceName', 'x'.repeat(65), 'must not have more than 64 characters'],
  ['tokenDelivery', 'pigeon', 'must be one of the following values: cookie, body'],
  ['role', 'admin', 'is not expected here'],
])('A registration whose %s is %j is refused: it %s', async (field, value, message) => {
  const { body } = await t.api.register({ ...someone(), [field]: value });
  expect((body as any).errors).toEqual([{ field, message }]);
});

it.each([
  ['limit=0', 'limit', 'must be a whole number from 1 to 100'],
  ['limit=x', 'limit', 'must be a whole number from 1 to 100'],
  ['limit=1&limit=2', 'limit', 'must be a whole number from 1 to 100'],
  ['cursor=x', 'cursor', 'must be the nextCursor of the page before'],
  ['cursor=x&cursor=y', 'cursor', 'must be a string'],
  ['page=2', 'page', 'is not expected here'],
])('A list that is asked for with ?%s is refused for its %s: %s', async (query, field, message) => {
  const { accessToken } = await t.api.signUp();
  const answer = await t.api.sessions(accessToken, `?${query}`);
  expectProblem(answer, 400, 'validation_failed');
  expect((answer.body as any).errors).toEqual([{ field, message }]);
});

it('Names of users and devices may be any other text and are returned unchanged', async () => {
  const { status, body } = await t.api.register({
    ...someone(),
    name: "Zoë O'Brien-Łukasz 王 👩‍👩‍👧",
    deviceName: '<b>"x"</b>; DROP TABLE',
  });
  expect(status).toBe(201);
  expect(body.user.name).toBe("Zoë O'Brien-Łukasz 王 👩‍👩‍👧");
  expect(body.session.device.name).toBe('<b>"x"</b>; DROP TABLE');
});

it.each(['a@\ud800.com', 'x@bücher.de', 'X@BÜCHER.de', 'a@exa\u202emple.com', 'a@x\u00ad.com', 'ａ@example.com'])(
  'The e-mail address %j, which is not ASCII, is refused at login and registration',
  async (email) => {
    for (const route of ['login', 'register']) {
      const answer = await t.api.call('POST', `/auth/${route}`, { body: { ...someone(), email } });
      expectProblem(answer, 400, 'validation_failed');
      expect(answer.body.errors[0].field).toBe('email');
    }
  },
);

it.each(['constructor', 'toString', 'hasOwnProperty', 'valueOf'])('A field named %s is refused', async (name) => {
  const answer = await t.api.call('POST', '/auth/login', { body: { ...someone(), [name]: 1 } });
  expectProblem(answer, 400, 'validation_failed');
  expect(answer.body.errors).toEqual([{ field: name, message: 'is not expected here' }]);
  const { accessToken } = await t.api.signUp();
  expectProblem(await t.api.sessions(accessToken, `?${name}=1`), 400, 'validation_failed');
});
