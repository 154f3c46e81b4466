// Which view is shown, and the forms that need no session.

import { loadSessions, showAccount, startAccount } from './account.js';
import { startActivity } from './activity.js';
import { NoAnswer, call, useBasePath } from './api.js';
import { byId, element } from './dom.js';
import { dressFields, onPress, onSubmit } from './forms.js';
import { hush, notify } from './notice.js';
import { logIn, onSession, restore, sessionUser, useLeeway } from './session.js';
import { forgetWatched, startWatch } from './watch.js';
import { explain } from './words.js';

/** Tokens of mailed links, taken out of the address as soon as they are read. */
const linkTokens = new Map();

const ENDINGS = {
  ended: ['info', 'Your session has ended.'],
  'logged-out': ['good', 'You are logged out.'],
  'logged-out-everywhere': ['good', 'You are logged out everywhere.'],
  'logged-out-elsewhere': ['info', 'You logged out in another tab.'],
};

let configured = false;

/** Whether what the notice says belongs to the view that is about to be shown. */
let noticeStays = false;

function go(view) {
  if (location.hash === `#/${view}`) {
    route();
  } else {
    noticeStays = true;
    location.hash = `#/${view}`;
  }
}

/** The view that the address names. A token in it is kept here and taken out of there. */
function readAddress() {
  const [named, query] = location.hash.replace(/^#\/?/, '').split('?');
  const token = new URLSearchParams(query).get('token');
  if (token) {
    linkTokens.set(named, token);
    history.replaceState(null, '', `#/${named}`);
  }
  return named;
}

/** Shows the view that the address names, or the one that fits. */
function route() {
  const named = readAddress();
  const exists = document.querySelector(`[data-view="${CSS.escape(named)}"]`) && named !== 'account' && named !== 'loading';
  const forStrangers = ['log-in', 'register', 'check-mail', 'resend', 'forgot-password'].includes(named);
  if (sessionUser() && (!exists || forStrangers)) show('account');
  else show(exists ? named : 'log-in');
}

function show(view) {
  for (const section of document.querySelectorAll('[data-view]')) {
    const shown = section.dataset.view === view;
    if (shown && section.hidden) {
      section.hidden = false;
      const title = section.querySelector('h1');
      title.tabIndex = -1;
      if (view !== 'loading') title.focus({ preventScroll: true });
      document.title = `${title.textContent} · auth`;
    } else if (!shown) {
      section.hidden = true;
    }
  }
  for (const section of document.querySelectorAll('[data-view]:has(> .with-token)')) {
    const has = linkTokens.has(section.dataset.view);
    section.querySelector('.with-token').hidden = !has;
    section.querySelector('.without-token').hidden = has;
  }
}

function startForms() {
  onSubmit(byId('log-in'), logIn, (error, values) => {
    if (error.code !== 'email_not_verified') return;
    byId('resend-email').value = values.email;
    byId('log-in').querySelector('.problem').append(' ', element('a', { href: '#/resend', textContent: 'Send the link again' }));
  });
  onSubmit(byId('register'), async (values) => {
    await call('POST', '/auth/register', { body: values });
    byId('resend-email').value = values.email;
    byId('log-in-email').value = values.email;
    checkMail('A mail is on its way to you, with a link to confirm your address.', 'resend');
  });
  onSubmit(byId('resend'), async (values) => {
    await call('POST', '/auth/resend-verification', { body: values });
    checkMail('If that address waits to be confirmed, another link is on its way to it.', 'resend');
  });
  onSubmit(byId('forgot-password'), async (values) => {
    await call('POST', '/auth/forgot-password', { body: values });
    byId('log-in-email').value = values.email;
    checkMail('If that address has an account, a link to choose a new password is on its way to it.', 'forgot-password');
  });
  onSubmit(byId('verify-email'), async (values) => {
    await call('POST', '/auth/verify-email', { body: { ...values, token: linkTokens.get('verify-email') } });
    linkTokens.delete('verify-email');
    go('log-in');
    notify('good', 'Your address is confirmed. Log in.');
  });
  onSubmit(byId('reset-password'), async (values) => {
    await call('POST', '/auth/reset-password', { body: { ...values, token: linkTokens.get('reset-password') } });
    linkTokens.delete('reset-password');
    if (sessionUser()) await restore();
    go('log-in');
    notify('good', 'Your new password is set, and every session has ended. Log in with it.');
  });
  onSubmit(byId('confirm-email'), async () => {
    await call('POST', '/auth/email/confirm', { body: { token: linkTokens.get('confirm-email') } });
    linkTokens.delete('confirm-email');
    if (sessionUser()) await restore();
    go('log-in');
    notify('good', 'Your new address is confirmed, and every session has ended. Log in with it.');
  });
}

function checkMail(text, again) {
  byId('check-mail-text').textContent = text;
  byId('check-mail-again').href = `#/${again}`;
  go('check-mail');
}

function sessionChanged(user, reason) {
  if (user) {
    showAccount();
    if (byId('main').querySelector('[data-view="account"]').hidden) {
      hush();
      route();
      loadSessions();
    }
    return;
  }
  forgetWatched();
  // Whoever logs in next finds nothing of this user.
  byId('sessions').replaceChildren();
  byId('change-password').reset();
  byId('change-email').reset();
  notify(...ENDINGS[reason]);
  go('log-in');
}

async function begin() {
  byId('loading-retry').hidden = true;
  try {
    await configure();
    await restore();
    route();
  } catch (error) {
    byId('loading-text').textContent = explain(error);
    byId('loading-retry').hidden = false;
  }
}

/** Learns how this server is set up, once. */
async function configure() {
  if (configured) return;
  const config = await fetch('/config.json').then((answer) => answer.json()).catch(() => {
    throw new NoAnswer('no answer');
  });
  configured = true;
  useBasePath(config.base_path);
  useLeeway(config.reuse_leeway_seconds);
  dressFields(config.password_min_length);
  byId('verify-password-field').hidden = !config.verify_requires_password;
  byId('verify-password').required = config.verify_requires_password;
  for (const place of document.querySelectorAll('[data-needs-mailbox]')) place.hidden = !config.mailbox;
  startWatch(config);
}

async function start() {
  // Before anything is asked of the server: a token is not to wait in the address for an answer.
  readAddress();
  startActivity();
  startForms();
  startAccount();
  onSession(sessionChanged);
  onPress(byId('loading-retry'), byId('loading-text'), begin);
  window.addEventListener('hashchange', () => {
    if (!noticeStays) hush();
    noticeStays = false;
    route();
  });
  await begin();
}

start();
