import { type Credentials, PASSWORD, someone } from '../support/api.js';
import { SUBJECTS } from '../support/mailbox.js';
import { useMailedInstances } from '../support/mailed-instances.js';

const LAPTOP = 'Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0';
const PHONE = 'Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/131.0.0.0 Mobile Safari/537.36';

const t = useMailedInstances(1, { env: { BRAND_NAME: 'Acme, Inc.' }, hasMissingRows: true });

const speaking = (language: string | null, userAgent = LAPTOP) => ({
  headers: { 'user-agent': userAgent, ...(language !== null && { 'accept-language': language }) },
});
const register = async (language: string | null): Promise<Credentials & { bearer: string }> => {
  const person = someone();
  const { body } = await t.a.register(person, speaking(language));
  return { ...person, bearer: body.accessToken };
};
const login = ({ email, password }: Credentials, from: ReturnType<typeof speaking>) =>
  t.a.login({ email, password }, from);
const languageOf = async ({ email }: Credentials) =>
  (await t.database.query<{ language: string | null }>('SELECT language FROM users WHERE email = $1', [email]))[0]!
    .language;

it.each([
  ['de-AT,de;q=0.9,en;q=0.1', 'Bestätige deine E-Mail-Adresse', 'lang="de"'],
  ['fr,en-GB;q=0.5,de;q=0.1', 'Confirm your e-mail address', 'lang="en"'],
  ['fr', 'Confirm your e-mail address', 'lang="en"'],
  [null, 'Confirm your e-mail address', 'lang="en"'],
])('A registration with Accept-Language %s gets the mail "%s"', async (language, subject, lang) => {
  const { email } = await register(language);
  const [mail] = await t.mailbox.await(email, subject);
  expect(mail!.html).toContain(lang);
  expect(mail!.text).toMatch(/^(Account|Konto): /m);
  expect(mail!.text).toContain('Acme, Inc.');
  expect(mail!.from).toBe('"Acme, Inc." <no-reply@localhost>');
});

it('A sign-in from a known device changes the language of an account, where it names one of ours', async () => {
  const me = await register('de');
  for (const [language, expected] of [
    [null, 'de'],
    ['*', 'de'],
    ['fr, *;q=0.5', 'de'],
    ['x'.repeat(5000), 'de'],
    ['en', 'en'],
    ['de-CH, *;q=0.5', 'de'],
  ] as const) {
    expect((await login(me, speaking(language))).status).toBe(200);
    expect([language, await languageOf(me)]).toEqual([language, expected]);
  }
});

it('A device that signs in for the first time does not choose the language of the mail that warns of it', async () => {
  const me = await register('de');
  await login(me, speaking('en', PHONE));
  const [mail] = await t.mailbox.await(me.email, 'Ein neues Gerät hat sich angemeldet');
  expect(mail!.text).toContain('Gerät: Chrome unter Android');
  expect(await languageOf(me)).toBe('de');
});

it('A device that signs in for the first time does not choose the language of an account that has none', async () => {
  const me = await register(null);
  await login(me, speaking('de', PHONE));
  await t.mailbox.await(me.email, SUBJECTS.newDevice);
  expect(await languageOf(me)).toBeNull();

  // Nor where nothing is left of the devices that it is known by.
  const dormant = await register(null);
  await t.database.query(
    `WITH ended AS (DELETE FROM sessions s USING users u WHERE s.user_id = u.id AND u.email = $1),
       forgotten AS (DELETE FROM known_devices k USING users u WHERE k.user_id = u.id AND u.email = $1)
     UPDATE users SET created_at = now() - interval '2 days' WHERE email = $1`,
    [dormant.email],
  );
  await login(dormant, speaking('de', PHONE));
  await t.mailbox.await(dormant.email, SUBJECTS.newDevice);
  expect(await languageOf(dormant)).toBeNull();

  // The device that it was made on does.
  const mine = await register(null);
  await login(mine, speaking('de'));
  expect(await languageOf(mine)).toBe('de');
});

it('The mail about a deleted account is in its language and names it in full once its address was confirmed', async () => {
  const me = await register('de');
  const token = await t.mailbox.tokenFor(me.email, 'Bestätige deine E-Mail-Adresse');
  expect((await t.a.call('POST', '/auth/email/verify', { body: { token } })).status).toBe(204);
  expect((await t.a.call('POST', '/auth/me/delete', { bearer: me.bearer, body: { password: PASSWORD } })).status).toBe(
    204,
  );
  const [mail] = await t.mailbox.await(me.email, 'Dein Konto wurde gelöscht');
  expect(mail!.text).toContain(`Konto: ${me.email}`);
});

it('The export of an account has the language of its mails', async () => {
  const { bearer } = await register('de');
  expect((await t.a.call('GET', '/auth/me/export', { bearer })).body.user.language).toBe('de');
});
