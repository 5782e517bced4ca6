import { useApp } from '../support/app.js';

// Where the page sends people back to is decided by the service: the page gets an address that is allowed, or none.

const ALLOWED = 'https://app.example.com';
const t = useApp({ RETURN_TO_ORIGINS: `${ALLOWED},https://other.example.com` });

const html = async (path: string) => (await fetch(t.api.url + path)).text();

/** What the page is given by the service. */
async function returnTo(path: string): Promise<unknown> {
  const [, data = ''] =
    /<script type="application\/json" id="page-data">([^]*?)<\/script>/.exec(await html(path)) ?? [];
  return JSON.parse(data).settings.returnTo;
}

it('The page is given an address of RETURN_TO_ORIGINS, as it was parsed', async () => {
  const address = `${ALLOWED}/orders?page=2&x=<script>`;
  expect(await returnTo(`/?return_to=${encodeURIComponent(address)}`)).toBe(`${ALLOWED}/orders?page=2&x=%3Cscript%3E`);
  expect(await returnTo(`/?sign_out&return_to=${encodeURIComponent(ALLOWED)}`)).toBe(`${ALLOWED}/`);
  expect(await returnTo(`/?return_to=${ALLOWED}/a?b=1&c=2`)).toBe(`${ALLOWED}/a?b=1&c=2`);
});

it.each([
  '/',
  '/?return_to=',
  '/?return_to=https%3A%2F%2Fevil.example',
  '/?return_to=//evil.example',
  '/?return_to=/%5Cevil.example',
  '/?return_to=javascript:alert(1)',
  '/?return_to=https://app.example.com%40evil.example/',
  '/?return_to=https%253A%252F%252Fapp.example.com',
  '/?return_to[]=https%3A%2F%2Fapp.example.com',
  '/?return_to=https%3A%2F%2Fapp.example.com&return_to=https%3A%2F%2Fapp.example.com',
  '/?return_to=%ff%zz',
  '/?%zz',
])('The page is given no address by %s, and is the same as without', async (path) => {
  expect(await returnTo(path)).toBeNull();
  expect(await html(path)).toBe(await html('/'));
});

it('The page does not say which origins are allowed', async () => {
  for (const path of ['/', `/?return_to=${encodeURIComponent(ALLOWED)}`]) {
    expect(await html(path)).not.toContain('other.example.com');
  }
});
