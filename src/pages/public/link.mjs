// Where the link of a mail leads. Nothing happens before a person presses the button, since scanners open links too.

const token = new URLSearchParams(location.search).get('token') ?? '';
const address = location.pathname;
// Out of the address bar and the history, where others could read it later.
history.replaceState(null, '', address);

const ANOTHER_ADDRESS =
  'Every device is logged out. The account has another address by now: if that was not you either, use the link of our ' +
  'mail "Your e-mail address was changed".';

const form = document.querySelector('form');
const status = document.querySelector('[role=status]');
const button = form.querySelector('button');
const devices = document.getElementById('devices');

const post = (path, body) =>
  fetch(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });

let send = (fields) => post(address, { token, ...fields });

form.addEventListener('submit', (event) => {
  event.preventDefault();
  void submit();
});

async function submit() {
  button.disabled = true;
  try {
    const answer = await send(Object.fromEntries(new FormData(form)));
    const body = answer.status === 204 ? {} : await answer.json();
    if (!answer.ok) {
      status.textContent = sentenceOf(body);
      if (body.errors?.[0]?.field === 'password') ask('password', 'Password ');
    } else if (body.resetToken) {
      askNewPassword(body.resetToken);
    } else {
      status.textContent = body.resetToken === null ? ANOTHER_ADDRESS : form.dataset.done;
      form.remove();
      devices.hidden = devices.dataset.isServed !== 'true';
    }
  } catch {
    status.textContent = 'The service cannot be reached. Try again in a moment.';
  }
  button.disabled = false;
}

// A message is the rest of a sentence that begins with its field; here only passwords can be wrong.
function sentenceOf({ errors: [error] = [], detail }) {
  if (error === undefined) return detail;
  return `${error.field === 'newPassword' ? 'New password' : 'Password'} ${error.message}`;
}

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

if (form.dataset.asksPassword === 'true') ask('newPassword', 'New password ');
