// What a logged-in user sees: who they are, their sessions, their password, their address.

import { byId, element, write } from './dom.js';
import { onPress, onSubmit } from './forms.js';
import { notify } from './notice.js';
import {
  authorized, changePassword, logOut, logOutEverywhere, refresh, restore, sessionExpiry, sessionUser,
} from './session.js';
import { ago, client, clock, date, exactTime, explain } from './words.js';

export function startAccount() {
  const problem = byId('account-problem');
  onPress(byId('who-am-i'), problem, async () => {
    const user = await authorized('GET', '/users/me');
    notify('good', `The server says: ${user.email}, user ${user.id}.`);
  });
  onPress(byId('refresh'), problem, async () => {
    await refresh();
    notify('good', 'The refresh token was exchanged. The new one is in the cookie; the old one is worth nothing now.');
    await loadSessions();
  });
  onPress(byId('log-out'), problem, logOut);
  onPress(byId('sessions-reload'), byId('sessions-problem'), loadSessions);
  onPress(byId('log-out-everywhere'), byId('sessions-problem'), logOutEverywhere);
  onSubmit(byId('change-password'), async (values) => {
    await changePassword(values);
    notify('good', 'Your password was changed, and every other session has ended.');
    await loadSessions();
  });
  onSubmit(byId('change-email'), async (values, form) => {
    await authorized('POST', '/users/me/email', { body: values });
    form.reset();
    notify('good', `A mail is on its way to ${values.new_email}. Nothing changes before you confirm the link in it.`);
  });
  setInterval(showExpiry, 1000);
}

/** Shows the user of this tab's session. */
export function showAccount() {
  const user = sessionUser();
  if (!user) return;
  write(byId('account-title'), user.name ? `Hello, ${user.name}` : 'Hello');
  write(byId('account-initial'), (user.name ?? user.email).charAt(0).toUpperCase());
  write(byId('account-email'), user.email);
  write(byId('account-verified'), user.email_verified ? 'confirmed' : 'not confirmed');
  write(byId('account-since'), date(user.created_at));
  write(byId('account-id'), user.id);
  for (const input of document.querySelectorAll('form input[name=email][readonly]')) input.value = user.email;
  showExpiry();
}

function showExpiry() {
  if (!sessionUser()) return;
  const left = (sessionExpiry() - Date.now()) / 1000;
  write(byId('account-expiry'), left > 0 ? `good for ${clock(left)}` : 'expired, replaced when needed');
}

export async function loadSessions() {
  const problem = byId('sessions-problem');
  problem.textContent = '';
  try {
    const { sessions } = await authorized('GET', '/users/me/sessions');
    byId('sessions').replaceChildren(...sessions.map(row));
  } catch (error) {
    problem.textContent = explain(error);
  }
}

function row(session) {
  const name = element('strong', { textContent: client(session.user_agent) });
  const title = element('span', { className: 'row-title' }, name);
  if (session.current) title.append(element('span', { className: 'tag good', textContent: 'this one' }));
  const facts = [session.ip ?? 'unknown address', `used ${ago(session.last_used_at)}`].join(' · ');
  const details = element('span', { className: 'fine', textContent: facts, title: `begun ${exactTime(session.created_at)}, ends ${exactTime(session.expires_at)} at the latest` });
  const end = element('button', { type: 'button', className: 'button small', textContent: 'End', 'aria-label': `End the session of ${name.textContent}` });
  onPress(end, byId('sessions-problem'), async () => {
    await authorized('DELETE', `/users/me/sessions/${session.id}`);
    if (session.current) await restore();
    else await loadSessions();
  });
  return element('li', { className: 'row' }, element('span', {}, title, details), end);
}
