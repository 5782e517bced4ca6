// What a person may do with their account: address, password, export, deletion.
import { $, onPress, onSubmit, resetForm, sayDone, sayFieldError } from './dom.mjs';
import { say, texts } from './i18n.mjs';

const { account: words } = texts;

/** Answers a wrong password beside the field it was typed into; anything else is for the caller's form to say. */
async function withPassword(input, work) {
  try {
    await work();
  } catch (error) {
    if (error.code !== 'invalid_credentials') throw error;
    sayFieldError(input, words.wrongPassword);
    input.focus();
  }
}

export function startAccount(client) {
  const [email, password, deletion] = ['change-email', 'change-password', 'delete-account'].map($);

  onPress($('resend'), async () => {
    await client.request('POST', '/auth/email/resend');
    sayDone(words.resent, { isMail: true });
  });
  onSubmit(email, (fields) => withPassword(email.password, () => changeEmail(client, email, fields)));
  onSubmit(password, ({ currentPassword, newPassword }) =>
    withPassword(password.currentPassword, async () => {
      await client.changePassword({ currentPassword, newPassword });
      closePanel(password);
      sayDone(words.passwordChanged);
    }),
  );
  onPress($('export'), async () => {
    save(await client.exportAccount());
    sayDone(words.downloaded);
  });
  onSubmit(deletion, (fields) => withPassword(deletion.password, () => client.deleteAccount(fields.password)));
}

async function changeEmail(client, form, { email, password }) {
  try {
    await client.request('POST', '/auth/email/change', { body: { email, ...(password && { password }) } });
  } catch (error) {
    if (error.code !== 'insufficient_user_authentication') throw error;
    askPassword(form, true);
    sayFieldError(form.password, words.passwordAgain);
    form.password.focus();
    return;
  }
  closePanel(form);
  sayDone(say(words.emailRequested, { email }), { isMail: true });
}

function askPassword(form, isAsked) {
  form.querySelector('.again').hidden = !isAsked;
  form.password.disabled = !isAsked;
}

function closePanel(form) {
  form.closest('details').open = false;
  resetForm(form);
  if (form.id === 'change-email') askPassword(form, false);
}

function save(file) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(file);
  link.download = words.exportFile;
  link.click();
  // Once the browser has begun to write it.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** Shows what is known of the user. */
export function showUser({ email, emailVerified }) {
  $('who').textContent = email;
  $('address').textContent = email;
  $('address-state').textContent = emailVerified ? words.confirmed : words.notConfirmed;
  $('address-state').classList.toggle('good', emailVerified);
  $('resend').hidden = emailVerified;
  for (const input of document.querySelectorAll('.for-password-managers')) input.value = email;
}

/** Nothing of one person is left for the next. */
export function clearAccount() {
  for (const id of ['change-email', 'change-password', 'delete-account']) closePanel($(id));
  for (const id of ['who', 'address']) $(id).textContent = '';
}

/** Leads to the form for a new password. */
export function openPassword() {
  $('change-password').closest('details').open = true;
  $('change-password').currentPassword.focus();
}
