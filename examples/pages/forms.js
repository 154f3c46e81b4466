// Forms: one request at a time, errors beside their fields, passwords that can be looked at.

import { element } from './dom.js';
import { explain, explainField } from './words.js';

/**
 * Sends a form with `send(values, form)`. While it is under way the button waits; what is wrong with a
 * field is written beside it, everything else above the button.
 */
export function onSubmit(form, send) {
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (form.getAttribute('aria-busy') === 'true') return;
    clear(form);
    // What is there for password managers alone stays here, and what is empty was not given.
    const given = [...new FormData(form)].filter(([name, value]) => value !== '' && !form.elements[name].readOnly);
    const values = Object.fromEntries(given);
    await pending(form, form.querySelector('button:not([type=button])'), async () => {
      try {
        await send(values, form);
        for (const field of form.querySelectorAll('input[type=password], [data-shown]')) field.value = '';
      } catch (error) {
        complain(form, error);
      }
    });
  });
}

/** Runs `work` while `button` cannot be pressed again. */
export async function pending(place, button, work) {
  place.setAttribute('aria-busy', 'true');
  button.disabled = true;
  try {
    return await work();
  } finally {
    place.removeAttribute('aria-busy');
    button.disabled = false;
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

function complain(form, error) {
  let first = null;
  for (const wrong of error.errors ?? []) {
    const input = form.elements[wrong.field];
    if (!input?.closest('.field')) continue;
    const message = input.closest('.field').querySelector('.error');
    message.textContent = explainField(wrong);
    input.setAttribute('aria-invalid', 'true');
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
  input.dataset.shown = '';
  eye.addEventListener('click', () => {
    const show = input.type === 'password';
    input.type = show ? 'text' : 'password';
    eye.textContent = show ? 'Hide' : 'Show';
    eye.setAttribute('aria-pressed', String(show));
    input.focus();
  });
}
