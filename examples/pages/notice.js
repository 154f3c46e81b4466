// The one line at the top that says what came of the last act.

import { byId } from './dom.js';

/** Says something: `good`, `bad` or `info`. */
export function notify(kind, text) {
  const notice = byId('notice');
  notice.dataset.kind = kind;
  notice.textContent = text;
  notice.hidden = false;
}

export function hush() {
  byId('notice').hidden = true;
}
