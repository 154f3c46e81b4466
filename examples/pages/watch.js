// "Watch a refresh token": a second client that carries its token itself, so that it can be looked at.

import { Problem, call } from './api.js';
import { byId, element, write } from './dom.js';
import { onPress, onSubmit } from './forms.js';
import { notify } from './notice.js';
import { restore, sessionUser } from './session.js';
import { loadSessions } from './account.js';

/** The refresh tokens of the second client, the newest last. */
let tokens = [];
let leewaySeconds = 0;

export function startWatch(config) {
  leewaySeconds = config.reuse_leeway_seconds;
  onSubmit(byId('watch-log-in'), async ({ password }) => {
    const session = await native('/auth/login', { email: sessionUser().email, password });
    tokens = [session.refresh_token];
    show('A new session: generation 0.');
    await loadSessions();
  });
  const problem = byId('watch-problem');
  onPress(byId('watch-refresh'), problem, async () => {
    const { refresh_token: token } = await native('/auth/refresh', { refresh_token: tokens.at(-1) });
    if (token === tokens.at(-1)) {
      show(`This token is younger than ${leewaySeconds * 2} seconds. It is not replaced yet, so that many tabs can share one.`);
      return;
    }
    tokens.push(token);
    show('Replaced. Whoever still uses the one before is not its owner.');
  });
  onPress(byId('watch-replay'), problem, replay);
  onPress(byId('watch-log-out'), problem, async () => {
    await native('/auth/logout', { refresh_token: tokens.at(-1) });
    forgetWatched();
    await loadSessions();
  });
}

/** Forgets the second client, whose sessions are the server's to end. */
export function forgetWatched() {
  tokens = [];
  byId('watch').hidden = true;
  byId('watch-log-in').hidden = false;
}

const native = (path, body) => call('POST', path, { body, native: true });

async function replay() {
  try {
    const { refresh_token: child } = await native('/auth/refresh', { refresh_token: tokens.at(-2) });
    const same = child === tokens.at(-1);
    show(`Within the leeway of ${leewaySeconds} seconds an answer may have been lost, so the server gave ${same ? 'the same' : 'a'} successor again.`);
  } catch (error) {
    if (!(error instanceof Problem) || error.status !== 401) throw error;
    await restore();
    if (sessionUser()) {
      show('Refused. Only this session ended.');
      return;
    }
    notify('bad', 'Reuse detected: a replaced token was used again. The server ended every session of yours at once, that of this page too, and wrote you a mail about it.');
  }
}

/** What a token says of itself: version, session and generation; the rest is secret. */
function read(token) {
  const [jti] = token.split('.');
  const bytes = Uint8Array.from(atob(jti.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0));
  return { jti, generation: new DataView(bytes.buffer).getUint32(17) };
}

function show(text) {
  byId('watch-log-in').hidden = true;
  byId('watch').hidden = false;
  const { jti, generation } = read(tokens.at(-1));
  write(byId('watch-generation'), String(generation));
  write(byId('watch-jti'), `${jti.slice(0, 12)}….[secret]`);
  write(byId('watch-text'), text);
  byId('watch-replay').disabled = tokens.length < 2;
  const links = tokens.slice(-6).map((token) => element('li', { textContent: String(read(token).generation) }));
  links.at(-1).className = 'live';
  links.at(-1).setAttribute('aria-current', 'true');
  byId('watch-chain').replaceChildren(...links);
}
