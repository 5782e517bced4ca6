import type { AppConfig } from '../config/config.js';

/** What the page of a mail's link says, and what its one button does. */
export interface LinkPage {
  readonly title: string;
  readonly button: string;
  readonly done: string;
  readonly asksPassword: boolean;
}

/** One page for every link: nothing happens before somebody presses its button, since scanners open links too. */
export const pageOf = (
  { title, button, done, asksPassword }: LinkPage,
  { hasAccountPage }: Pick<AppConfig, 'hasAccountPage'>,
): string => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${title}</title>
<link rel="stylesheet" href="/auth/link.css">
<script type="module" src="/auth/link.js"></script>
<main>
<h1>${title}</h1>
<form data-done="${done}">
${asksPassword ? '<label>New password <input name="newPassword" type="password" autocomplete="new-password" required></label>' : ''}
<button>${button}</button>
</form>
<p role="status"></p>
${hasAccountPage ? '<p id="on" hidden><a href="/">Go to your devices</a></p>' : ''}
<noscript><p>This page needs JavaScript to send what you confirm.</p></noscript>
</main>
</html>
`;

export const PAGE_CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'none'; base-uri 'none'; " +
  "frame-ancestors 'none'";

export const PAGE_STYLE = `:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
main { max-width: 26rem; margin: 10vh auto; padding: 0 1rem; }
input, button { display: block; width: 100%; box-sizing: border-box; margin: .5rem 0 1rem; padding: .6rem; font: inherit; }
`;

export const PAGE_SCRIPT = `const token = new URLSearchParams(location.search).get('token') ?? '';
const address = location.pathname;
// Out of the address bar and the history: whoever looks at either later must not find it.
history.replaceState(null, '', address);

const form = document.querySelector('form');
const status = document.querySelector('[role=status]');
const button = form.querySelector('button');

const post = (path, body) =>
  fetch(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });

let send = (fields) => post(address, { token, ...fields });

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  button.disabled = true;
  try {
    const answer = await send(Object.fromEntries(new FormData(form)));
    const body = answer.status === 204 ? {} : await answer.json();
    if (!answer.ok) {
      status.textContent = body.errors?.[0]?.message ?? body.detail;
      if (body.errors?.[0]?.field === 'password') ask('password', 'Password ');
    } else if (body.resetToken) {
      askNewPassword(body.resetToken);
    } else {
      status.textContent = body.resetToken === null ? ANOTHER_ADDRESS : form.dataset.done;
      form.remove();
      document.getElementById('on')?.removeAttribute('hidden');
    }
  } catch {
    status.textContent = 'The service cannot be reached. Try again in a moment.';
  }
  button.disabled = false;
});

const ANOTHER_ADDRESS =
  'Every device is logged out. The account has another address by now: if that was not you either, use the link of our ' +
  'mail "Your e-mail address was changed".';

function ask(name, words) {
  if (form.elements[name]) return;
  const label = document.createElement('label');
  const input = document.createElement('input');
  Object.assign(input, { name, type: 'password', autocomplete: 'new-password', required: true });
  label.append(words, input);
  button.before(label);
}

function askNewPassword(resetToken) {
  status.textContent = form.dataset.done;
  form.dataset.done = 'Your new password is set. Sign in with it.';
  ask('newPassword', 'New password ');
  button.textContent = 'Set a new password';
  send = (fields) => post('/auth/password/reset', { token: resetToken, ...fields });
}
`;
