// Forms: one request at a time, errors beside their fields, passwords that can be looked at.

import { element } from './dom.js';
import { explain, explainField } from './words.js';

/**
 * Sends a form with `send(values, form)`. While it is under way the button waits; what is wrong with a
 * field is written beside it, everything else above the button; `refused` may add to it.
 */
export function onSubmit(form, send, refused = () => {}) {
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (form.getAttribute('aria-busy') === 'true') return;
    clear(form);
    if (incomplete(form)) return;
    // What is there for password managers alone stays here, and what is empty was not given.
    const given = [...new FormData(form)].filter(([name, value]) => value !== '' && !form.elements[name].readOnly);
    const values = Object.fromEntries(given);
    await pending(form, form.querySelector('button:not([type=button])'), async () => {
      try {
        await send(values, form);
        for (const field of form.querySelectorAll('input[type=password]')) field.value = '';
      } catch (error) {
        complain(form, error);
        refused(error, values);
      }
    });
  });
}

/** Runs `work` while `button` cannot be pressed again. */
export async function pending(place, button, work) {
  const focused = document.activeElement;
  place.setAttribute('aria-busy', 'true');
  button.disabled = true;
  try {
    return await work();
  } finally {
    place.removeAttribute('aria-busy');
    button.disabled = false;
    // A disabled button loses the focus, and whoever works by keyboard their place.
    if (focused === button && document.activeElement === document.body) button.focus({ preventScroll: true });
  }
}

/** A button outside of a form: what goes wrong is written to `problem`. */
export function onPress(button, problem, work) {
  button.addEventListener('click', () => pending(button, button, async () => {
    problem.textContent = '';
    try {
      await work();
    } catch (error) {
      problem.textContent = explain(error);
    }
  }));
}

/** Says which fields still want something; the server need not be asked for that. */
function incomplete(form) {
  const empty = [...form.querySelectorAll('.field:not([hidden]) input:required')].filter((input) => input.value === '');
  for (const input of empty) reject(input, 'Please fill this in.');
  empty[0]?.focus();
  return empty.length > 0;
}

function reject(input, text) {
  input.closest('.field').querySelector('.error').textContent = text;
  input.setAttribute('aria-invalid', 'true');
}

function complain(form, error) {
  let first = null;
  for (const wrong of error.errors ?? []) {
    const input = form.elements[wrong.field];
    if (!input?.closest('.field')) continue;
    reject(input, explainField(wrong));
    first ??= input;
  }
  if (first) first.focus();
  else form.querySelector('.problem').textContent = explain(error);
}

function clear(form) {
  form.querySelector('.problem').textContent = '';
  for (const message of form.querySelectorAll('.error')) message.textContent = '';
  for (const input of form.querySelectorAll('[aria-invalid]')) input.removeAttribute('aria-invalid');
}

/** Gives every field a place for its error, and every password an eye. */
export function dressFields(passwordMinLength) {
  for (const field of document.querySelectorAll('.field')) {
    const input = field.querySelector('input');
    const described = [];
    if (input.dataset.hint === 'length') {
      const hint = element('p', { className: 'hint', id: `${input.id}-hint`, textContent: `At least ${passwordMinLength} characters. A few words make a good one.` });
      field.append(hint);
      described.push(hint.id);
    }
    const error = element('p', { className: 'error', id: `${input.id}-error`, 'aria-live': 'polite' });
    field.append(error);
    described.push(error.id);
    input.setAttribute('aria-describedby', described.join(' '));
    if (input.type === 'password') addEye(input);
  }
}

function addEye(input) {
  const eye = element('button', { type: 'button', className: 'eye', textContent: 'Show', 'aria-pressed': 'false', 'aria-label': 'Show the password' });
  const frame = element('div', { className: 'with-eye' });
  input.replaceWith(frame);
  frame.append(input, eye);
  const show = (shown) => {
    input.type = shown ? 'text' : 'password';
    eye.textContent = shown ? 'Hide' : 'Show';
    eye.setAttribute('aria-pressed', String(shown));
  };
  eye.addEventListener('click', () => {
    show(input.type === 'password');
    input.focus();
  });
  // What was looked at once is not on show the next time.
  input.form.addEventListener('submit', () => show(false));
}
