// The development mailbox: the newest mail first, looked after every second.

import { byId, element, write } from './dom.js';
import { ago, exactTime } from './words.js';

let mails = [];
/** The place of the mail that is shown in the list of the server, the oldest first. */
let chosen = null;

async function load() {
  try {
    const response = await fetch('/dev/mailbox.json');
    if (!response.ok) throw new Error();
    const news = await response.json();
    byId('problem').textContent = '';
    const grown = news.length !== mails.length;
    mails = news;
    if (grown) list();
  } catch {
    byId('problem').textContent = 'The server does not answer.';
  }
}

function list() {
  byId('empty').hidden = mails.length > 0;
  const rows = mails.map((mail, place) => {
    const button = element('button', { type: 'button', className: 'mail' },
      element('strong', { textContent: mail.subject }),
      element('span', { className: 'fine', textContent: `${mail.to} · ${ago(mail.sent_at)}` }),
    );
    button.setAttribute('aria-current', String(place === chosen));
    button.addEventListener('click', () => choose(place));
    return element('li', {}, button);
  });
  byId('mails').replaceChildren(...rows.reverse());
  if (chosen === null && mails.length > 0) choose(mails.length - 1);
}

function choose(place) {
  chosen = place;
  const mail = mails[place];
  byId('reader').hidden = false;
  write(byId('subject'), mail.subject);
  write(byId('facts'), `To ${mail.to}, ${exactTime(mail.sent_at)}`);
  write(byId('text'), mail.text);
  byId('html').src = `/dev/mailbox/${place}.html`;
  list();
}

function showPart(part) {
  for (const name of ['html', 'text']) {
    byId(name).hidden = name !== part;
    byId(`tab-${name}`).setAttribute('aria-selected', String(name === part));
  }
}

byId('tab-html').addEventListener('click', () => showPart('html'));
byId('tab-text').addEventListener('click', () => showPart('text'));
load();
setInterval(load, 1000);
