// "What just happened": every request of the page, without passwords and tokens.

import { byId, element } from './dom.js';

const KEPT = 40;
const SECRET = new Set(['password', 'current_password', 'new_password', 'token', 'access_token', 'refresh_token']);
const SHOWN_HEADERS = ['retry-after', 'ratelimit', 'x-request-id'];

const redacted = (json) => JSON.stringify(json, (key, value) => (SECRET.has(key) ? '[left out]' : value), 2);

/** A path that breaks before its slashes where it must. */
const breakable = (path) => path.split(/(?=\/)/).flatMap((part) => [element('wbr'), part]);

/** Notes that a request goes out; the answer is handed to what this returns. */
export function record(method, path, body) {
  const started = performance.now();
  const status = element('span', { className: 'tag', textContent: '…' });
  const took = element('span', { className: 'figures took' });
  const details = element('div', { className: 'exchange' });
  const summary = element('summary', {},
    element('span', { className: 'method', textContent: method }),
    element('span', { className: 'path' }, ...breakable(path)),
    status,
    took,
  );
  const list = byId('activity');
  list.prepend(element('li', {}, element('details', {}, summary, details)));
  while (list.children.length > KEPT) list.lastElementChild.remove();
  byId('activity-empty').hidden = true;
  if (body !== undefined) part(details, 'Sent', redacted(body));

  const done = (text, kind) => {
    status.textContent = text;
    status.classList.add(kind);
    took.textContent = `${Math.round(performance.now() - started)} ms`;
  };
  return {
    answered(response, json) {
      done(String(response.status), response.ok ? 'good' : 'bad');
      part(details, 'Answer', json === undefined ? 'no body' : redacted(json));
      const headers = SHOWN_HEADERS.filter((name) => response.headers.has(name));
      if (headers.length > 0) part(details, 'Headers', headers.map((name) => `${name}: ${response.headers.get(name)}`).join('\n'));
    },
    failed() {
      done('no answer', 'bad');
    },
  };
}

function part(details, title, text) {
  details.append(element('h3', { textContent: title }), element('pre', { textContent: text, tabIndex: 0 }));
}

export function startActivity() {
  byId('activity-clear').addEventListener('click', () => {
    byId('activity').replaceChildren();
    byId('activity-empty').hidden = false;
  });
}
