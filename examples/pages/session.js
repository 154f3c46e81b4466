// This browser's session: the access token in memory, the refresh token in a cookie that no script
// sees, and the manners that several tabs need to share that cookie.

import { NoAnswer, Problem, call } from './api.js';

/** An access token with less than this left is replaced before it is used. */
const MARGIN_MS = 10_000;

let current = null;
let leewaySeconds = 0;
const listeners = new Set();
const otherTabs = new BroadcastChannel('auth-session');

export const sessionUser = () => current?.user ?? null;
export const sessionExpiry = () => current?.expiresAt ?? 0;

/** Calls `listener(user, reason)` whenever this tab's session begins, goes on or ends. */
export function onSession(listener) {
  listeners.add(listener);
}

/** How long the server forgives a consumed token; from its configuration. */
export function useLeeway(seconds) {
  leewaySeconds = seconds;
}

/** The session is over, and nothing but a new log-in helps. */
export class SessionEnded extends Error {
  code = 'session_ended';
}

/** A refresh was sent and not answered, and this server would take a second try for theft. */
export class OutcomeUnknown extends Error {
  code = 'outcome_unknown';
}

/*
 * Whatever sends or receives the cookie does so alone, in all tabs together. Two tabs that refresh at
 * once would present the same token twice, and so would one that restores while another refreshes: to
 * a strict server the second of them is a thief.
 */
let queue = Promise.resolve();
function alone(work) {
  if (navigator.locks) return navigator.locks.request('auth-refresh-cookie', work);
  // Not a secure context (plain http that is not localhost): at least this tab keeps the order.
  const turn = queue.then(work);
  queue = turn.catch(() => {});
  return turn;
}

function adopt(session) {
  current = {
    accessToken: session.access_token,
    expiresAt: Date.now() + session.expires_in * 1000,
    user: session.user,
  };
  tell('began');
}

function drop(reason) {
  const had = current !== null;
  current = null;
  if (had) tell(reason);
}

function tell(reason) {
  for (const listener of listeners) listener(sessionUser(), reason);
}

const isRefused = (error) => error instanceof Problem && error.status === 401;

/** Asks whose cookie this is. Does not rotate it, so every load of the page may ask. */
export function restore() {
  return alone(async () => {
    try {
      adopt(await call('GET', '/auth/me'));
    } catch (error) {
      if (!isRefused(error)) throw error;
      drop('ended');
    }
    return sessionUser();
  });
}

export async function logIn(credentials) {
  await alone(async () => adopt(await call('POST', '/auth/login', { body: credentials })));
  otherTabs.postMessage('began');
}

/** Exchanges the refresh token. With `stale`, only if that access token is still the one in use. */
export function refresh(stale) {
  return alone(async () => {
    if (stale && current?.accessToken !== stale) return;
    try {
      adopt(await exchange());
    } catch (error) {
      if (!isRefused(error)) throw error;
      drop('ended');
      throw new SessionEnded('session ended');
    }
  });
}

async function exchange() {
  try {
    return await call('POST', '/auth/refresh');
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    // Within the leeway the same token is answered with the same child.
    if (leewaySeconds > 0) return call('POST', '/auth/refresh');
    throw new OutcomeUnknown(
      'No answer came, so nobody knows whether the refresh token was exchanged. This server is strict: '
      + 'sending the same token again could end all your sessions. Log out and in again to be safe.',
    );
  }
}

/**
 * A request with the access token, which is replaced first where it must be. `setsCookie` is for those
 * whose answer changes the cookie.
 */
export async function authorized(method, path, { body, setsCookie = false } = {}) {
  if (current && current.expiresAt - Date.now() < MARGIN_MS) await refresh(current.accessToken);
  if (!current) throw new SessionEnded('session ended');
  const used = current.accessToken;
  const send = () => call(method, path, { body, bearer: current?.accessToken });
  const attempt = () => (setsCookie ? alone(send) : send());
  try {
    return await attempt();
  } catch (error) {
    if (!isRefused(error)) throw error;
    // Another tab may have changed the password, and with it every token.
    await refresh(used);
    return attempt();
  }
}

/** Every other session ends; this one goes on with another cookie. */
export async function changePassword(body) {
  adopt(await authorized('POST', '/users/me/password', { body, setsCookie: true }));
  otherTabs.postMessage('began');
}

export async function logOut() {
  await alone(() => call('POST', '/auth/logout'));
  otherTabs.postMessage('logged-out');
  drop('logged-out');
}

export async function logOutEverywhere() {
  await authorized('DELETE', '/users/me/sessions', { setsCookie: true });
  otherTabs.postMessage('logged-out');
  drop('logged-out-everywhere');
}

otherTabs.addEventListener('message', ({ data }) => {
  if (data === 'began') restore().catch(() => {});
  if (data === 'logged-out') drop('logged-out-elsewhere');
});
