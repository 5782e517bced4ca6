// What is seen and pressed: sections, notices, and the errors of forms beside their fields.
import { ApiError, LatchkeyError, UnreachableError } from '../../client.mjs';
import { fieldText, problemText, say, settings, texts } from './i18n.mjs';

export const $ = (id) => document.getElementById(id);
export const on = (target, event, act) => target.addEventListener(event, act);

/** A copy of what a template has, and its parts by their class. */
export function copyOf(templateId) {
  const element = $(templateId).content.cloneNode(true).firstElementChild;
  return { element, part: (name) => element.querySelector(`.${name}`) };
}

export function setText(element, text) {
  // The same text is not set again: a screen reader would read it again.
  if (element.textContent !== text) element.textContent = text;
}

/** Says how the connection is: an empty text when all is well. */
export function sayConnection(text) {
  setText($('connection'), text);
  // What could not be done for want of a connection is no news once there is one.
  if (text === '' && $('message').dataset.isAboutConnection) sayProblem('');
}

export function sayProblem(text, { isAboutConnection = false } = {}) {
  setText($('message'), text);
  if (isAboutConnection) $('message').dataset.isAboutConnection = 'true';
  else delete $('message').dataset.isAboutConnection;
}

/** Says what was done, with a link to the mailbox of a development server where it is a mail. */
export function sayDone(text, { isMail = false } = {}) {
  setText($('done'), text);
  $('mailbox').hidden = !(isMail && settings.hasMailbox);
}

/** Runs what a button does, once at a time, and says what became of it. */
export async function perform(button, work, sayRefusal = sayError) {
  if (button.disabled) return;
  button.disabled = true;
  sayProblem('');
  sayDone('');
  try {
    await work();
  } catch (error) {
    sayRefusal(error);
  } finally {
    button.disabled = false;
  }
}

export function sayError(error) {
  sayProblem(problemText(error), { isAboutConnection: error instanceof UnreachableError || error.status === 503 });
  if (!(error instanceof LatchkeyError)) throw error;
}

export const onPress = (button, work) => on(button, 'click', () => void perform(button, work));

/** Submits a form with its values by name, once its fields are filled as they must be. Errors stand beside their field. */
export function onSubmit(form, work) {
  form.noValidate = true;
  on(form, 'submit', (event) => {
    event.preventDefault();
    clearErrors(form);
    if (!checkFields(form)) return;
    void perform(
      form.querySelector('button.primary'),
      () => work(Object.fromEntries(new FormData(form))),
      (error) => sayFormError(form, error),
    );
  });
  for (const input of form.querySelectorAll('.field input')) on(input, 'input', () => sayFieldError(input, ''));
}

export function clearErrors(form) {
  for (const input of form.querySelectorAll('.field input')) sayFieldError(input, '');
}

/** Leaves a form as it was before anything was typed. */
export function resetForm(form) {
  form.reset();
  clearErrors(form);
}

const labelOf = (input) => input.labels[0].querySelector('.name').textContent;
const errorOf = (input) => input.closest('.field').querySelector('.error');

export function sayFieldError(input, text) {
  setText(errorOf(input), text);
  if (text === '') input.removeAttribute('aria-invalid');
  else input.setAttribute('aria-invalid', 'true');
}

function checkFields(form) {
  const wrong = [...form.querySelectorAll('.field input:enabled')].filter((input) => {
    const text = complaintAbout(input);
    sayFieldError(input, text);
    return text !== '';
  });
  wrong[0]?.focus();
  return wrong.length === 0;
}

function complaintAbout(input) {
  const label = labelOf(input);
  const least = Number(input.dataset.least ?? 0);
  // As the service counts: characters as a person sees them, not units of UTF-16.
  const length = [...input.value.normalize('NFC')].length;
  if (input.required && input.value === '') return say(texts.fieldErrors.required, { label });
  if (input.validity.typeMismatch) return say(texts.fieldErrors.email, { label });
  return length < least && length > 0 ? say(texts.fieldErrors.short, { label, count: least }) : '';
}

function sayFormError(form, error) {
  const errors = error instanceof ApiError ? error.errors : [];
  const [beside, other] = [[], []];
  for (const one of errors) (form.elements[one.field] ? beside : other).push(one);
  for (const one of beside) sayFieldError(form.elements[one.field], fieldText(labelOf(form.elements[one.field]), one));
  form.elements[beside[0]?.field]?.focus();
  if (beside.length === 0 || other.length > 0) sayError(error);
}

/** Gives each password field a button that shows what is typed. */
export function addToggles() {
  for (const button of document.querySelectorAll('.show-password')) {
    const input = button.parentElement.querySelector('input');
    const show = (isShown) => {
      input.type = isShown ? 'text' : 'password';
      button.setAttribute('aria-pressed', String(isShown));
    };
    show(false);
    on(button, 'click', () => show(input.type === 'password'));
    // What was shown is hidden again before it is sent or put away.
    for (const event of ['submit', 'reset']) on(input.form, event, () => show(false));
  }
}
