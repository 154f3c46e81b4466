// The example server's page in a real browser, from registering to logging out. Screenshots are left in target/browser.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { chromium } from 'playwright-core';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');
const TARGET = process.env.CARGO_TARGET_DIR ?? join(ROOT, 'target');
const PICTURES = join(TARGET, 'browser');
const ADA = { email: 'ada@example.com', password: 'correct horse battery' };
const CHROMIUM = {
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync',
  ],
};

let browser, url;
const servers = [];
const directories = [];
/** What a page must never do, noted for all pages. */
const faults = [];

before(async () => {
  await mkdir(PICTURES, { recursive: true });
  url = await startServer();
  browser = await chromium.launch(CHROMIUM);
});

after(async () => {
  await browser?.close();
  for (const server of servers) server.kill('SIGKILL');
  for (const directory of directories) await rm(directory, { recursive: true, force: true });
});

/** A server with a database of its own; returns what it calls itself, its own origin. */
async function startServer(settings = {}) {
  const directory = await mkdtemp(join(tmpdir(), 'auth-browser-'));
  directories.push(directory);
  const server = spawn(join(TARGET, 'debug/server'), { cwd: directory, env: { PORT: '0', ...settings }, stdio: ['ignore', 'pipe', 'ignore'] });
  servers.push(server);
  const [line] = await once(createInterface(server.stdout), 'line');
  return `http://localhost:${new URL(line.replace('listening on ', '')).port}`;
}

/** A browser of its own: cookies, storage and all. */
async function context(options, origin = url) {
  const own = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  own.setDefaultTimeout(8000);
  own.on('page', (page) => {
    page.on('pageerror', (error) => faults.push(`error: ${error}`));
    page.on('console', (message) => {
      // Chromium notes each answer of 4xx here.
      if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) faults.push(message.text());
    });
    page.on('request', (request) => {
      if (!request.url().startsWith(`${origin}/`) && !request.url().startsWith('data:')) faults.push(`request: ${request.url()}`);
    });
  });
  return own;
}

const picture = (page, name) => page.screenshot({ path: join(PICTURES, `${name}.png`), fullPage: true });
const shown = (page, text) => page.getByText(text).first().waitFor();
const view = (page, name) => page.locator(`[data-view="${name}"]:not([hidden])`).waitFor();

async function logIn(page, password = ADA.password, origin = url) {
  await page.goto(`${origin}/#/log-in`);
  await page.getByLabel('E-mail').first().fill(ADA.email);
  await page.locator('#log-in-password').fill(password);
  await page.getByRole('button', { name: 'Log in' }).click();
  await view(page, 'account');
}

/** Waits until so many mails of such a subject have come; returns them, the oldest first. */
async function mailed(fits, count, origin = url) {
  let mails;
  for (const end = Date.now() + 10_000; Date.now() < end;) {
    mails = await (await fetch(`${origin}/dev/mailbox.json`)).json();
    const fitting = mails.filter(({ subject }) => fits(subject));
    if (fitting.length >= count) return fitting;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return assert.fail(`not ${count} such mails among ${mails.map(({ subject }) => subject).join(', ')}: ${fits}`);
}

/** Waits for a mail of this subject and opens the link in it. */
async function openMailedLink(page, subject, origin = url) {
  const mails = await mailed((one) => one.includes(subject), 1, origin);
  await page.goto('about:blank');
  await page.goto(mails.at(-1).text.match(/http\S+/)[0]);
}

/** No script can see the refresh token, wherever it looks. */
async function assertInvisible(page, cookie) {
  assert.equal(await page.evaluate(() => document.cookie), '');
  const seen = await page.evaluate(async () => {
    const texts = [JSON.stringify(localStorage), JSON.stringify(sessionStorage), document.documentElement.outerHTML];
    texts.push(JSON.stringify(await indexedDB.databases()), JSON.stringify(await caches.keys()));
    for (const name of Object.getOwnPropertyNames(window)) {
      try {
        texts.push(String(window[name]), JSON.stringify(window[name]) ?? '');
      } catch { /* Not text. */ }
    }
    return texts.join('\n');
  });
  const [jti, secret] = cookie.value.split('.');
  assert.ok(!seen.includes(secret) && !seen.includes(jti), 'a script can see the refresh token');
}

test('a whole account’s life', async (t) => {
  const home = await context();
  const page = await home.newPage();
  const refreshCookie = async () => (await home.cookies(url)).find(({ name }) => name === 'refresh');

  await t.test('registers, and says what is wrong beside its field', async () => {
    await page.goto(url);
    await view(page, 'log-in');
    await picture(page, 'log-in');
    await page.getByRole('link', { name: 'Create an account' }).click();
    const button = page.getByRole('button', { name: 'Create account' });
    const place = async () => Math.round((await button.boundingBox()).y);
    const before = await place();
    await button.click();
    await page.locator('#register-email-error').getByText('Please fill this in.').waitFor();
    assert.equal(await place(), before, 'nothing jumps');
    await page.locator('#register-name').fill('Ada');
    await page.locator('#register-email').fill(ADA.email);
    await page.locator('#register-password').fill('short');
    await page.getByRole('button', { name: 'Create account' }).click();
    await page.locator('#register-password-error:not(:empty)').waitFor();
    assert.equal(await page.locator('#register-password').getAttribute('aria-invalid'), 'true');
    await picture(page, 'register-error');
    await page.locator('#register-password').fill(ADA.password);
    await page.getByRole('button', { name: 'Create account' }).click();
    await view(page, 'check-mail');
    await picture(page, 'check-mail');
  });

  await t.test('shows the mail as its reader sees it', async () => {
    const mailbox = await home.newPage();
    await mailbox.goto(`${url}/dev/mailbox`);
    await mailbox.getByRole('button', { name: /Confirm your address/ }).click();
    await mailbox.frameLocator('#html').getByRole('link', { name: 'Confirm address' }).waitFor();
    await picture(mailbox, 'mailbox');
    await mailbox.getByRole('button', { name: 'Plain text' }).click();
    await mailbox.locator('#text').getByText('verify-email?token=').waitFor();
    // The link works from inside the mail.
    await mailbox.getByRole('button', { name: 'As it looks' }).click();
    const opened = home.waitForEvent('page');
    await mailbox.frameLocator('#html').getByRole('link', { name: 'Confirm address' }).click();
    await view(await opened, 'verify-email');
    await (await opened).close();
    await mailbox.close();
  });

  await t.test('verifies at a press of the button, and not before', async () => {
    await openMailedLink(page, 'Confirm your address');
    await view(page, 'verify-email');
    assert.equal(new URL(page.url()).hash, '#/verify-email', 'the token is out of the address at once');
    await picture(page, 'verify-email');
    await page.getByRole('button', { name: 'Confirm my address' }).click();
    await shown(page, 'Your address is confirmed');
    await openMailedLink(page, 'Confirm your address');
    await page.getByRole('button', { name: 'Confirm my address' }).click();
    await shown(page, 'This link has expired, or it was used already.');
  });

  await t.test('logs in by keyboard alone', async () => {
    await page.goto(`${url}/#/log-in`);
    await page.reload();
    await view(page, 'log-in');
    const focused = () => page.evaluate(() => document.activeElement.id || document.activeElement.textContent.trim());
    const tabTo = async (id) => {
      for (let presses = 0; await focused() !== id; presses += 1) {
        assert.ok(presses < 12, `${id} cannot be reached`);
        await page.keyboard.press('Tab');
        const ring = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
        assert.equal(ring, 'solid', `nobody sees that ${await focused()} has the focus`);
      }
    };
    await tabTo('log-in-email');
    await page.keyboard.type(ADA.email);
    await page.keyboard.press('Tab');
    assert.equal(await focused(), 'log-in-password');
    await page.keyboard.type('wrong horse battery');
    await tabTo('Log in');
    await page.keyboard.press('Space');
    await shown(page, 'do not go together');
    await page.waitForFunction(() => document.activeElement.textContent === 'Log in');
    await page.keyboard.press('Shift+Tab');
    await page.keyboard.press('Shift+Tab');
    assert.equal(await focused(), 'log-in-password');
    await page.keyboard.press('Control+A');
    await page.keyboard.type(ADA.password);
    await page.keyboard.press('Enter');
    await view(page, 'account');
    await page.getByText('this one', { exact: true }).waitFor();
    await picture(page, 'account');
  });

  await t.test('keeps the refresh token from every script', async () => {
    const cookie = await refreshCookie();
    assert.ok(cookie.httpOnly && cookie.sameSite === 'Strict');
    await assertInvisible(page, cookie);
  });

  await t.test('keeps the session over a reload, and rotates at a refresh', async () => {
    const before = await refreshCookie();
    await page.reload();
    await view(page, 'account');
    assert.equal((await refreshCookie()).value, before.value, 'a reload rotates nothing');
    await page.getByRole('button', { name: 'Refresh', exact: true }).first().click();
    await shown(page, 'The refresh token was exchanged');
    assert.notEqual((await refreshCookie()).value, before.value);
  });

  await t.test('lets two tabs refresh at once as often as they like', async () => {
    const other = await home.newPage();
    await other.goto(url);
    await view(other, 'account');
    const many = async (tab) => {
      for (let count = 0; count < 8; count += 1) {
        // A tab in the background draws too rarely to be clicked at by coordinates.
        await tab.evaluate(() => document.querySelector('#refresh').click());
        await tab.waitForFunction(() => !document.querySelector('#refresh').disabled, null, { polling: 20 });
      }
    };
    await Promise.all([many(page), many(other)]);
    // And without the manners of a person: all at once.
    await Promise.all([page, other].map((tab) => tab.evaluate(async () => {
      const { refresh } = await import('/session.js');
      await Promise.all(Array.from({ length: 5 }, () => refresh()));
    })));
    for (const tab of [page, other]) {
      await tab.getByRole('button', { name: 'Who am I?' }).click();
      await shown(tab, 'The server says');
    }
    await other.close();
  });

  await t.test('ends a session of another browser', async () => {
    const elsewhere = await context();
    const phone = await elsewhere.newPage();
    await logIn(phone);
    await page.getByRole('button', { name: 'Reload' }).click();
    await page.waitForFunction(() => document.querySelectorAll('#sessions li').length === 2);
    await page.locator('#sessions li').filter({ hasNotText: 'this one' }).getByRole('button').click();
    await page.waitForFunction(() => document.querySelectorAll('#sessions li').length === 1);
    await phone.getByRole('button', { name: 'Who am I?' }).click();
    await view(phone, 'log-in');
    await elsewhere.close();
  });

  await t.test('changes the password', async () => {
    await page.locator('#current-password').fill('not the password');
    await page.locator('#new-password').fill('seventeen blue herons');
    await page.getByRole('button', { name: 'Change the password' }).click();
    await page.locator('#current-password-error:not(:empty)').waitFor();
    await page.locator('#current-password').fill(ADA.password);
    await page.locator('#new-password').fill('seventeen blue herons');
    await page.getByRole('button', { name: 'Change the password' }).click();
    await shown(page, 'Your password was changed');
    assert.ok((await page.locator('#notice').boundingBox()).y >= 0, 'what came of it is in sight');
    ADA.password = 'seventeen blue herons';
  });

  await t.test('shows a refresh token at work, and what a replay does', async () => {
    await page.locator('#watch-password').fill(ADA.password);
    await page.getByRole('button', { name: 'Log in as a second client' }).click();
    for (const generation of [1, 2, 3]) {
      await page.locator('#watch-refresh').click();
      await page.locator('#watch-generation').getByText(String(generation), { exact: true }).waitFor();
    }
    await picture(page, 'watch');
    await page.getByRole('button', { name: 'Replay the old token' }).click();
    await shown(page, 'Reuse detected');
    await view(page, 'log-in');
    await picture(page, 'reuse-detected');
    assert.equal(await refreshCookie(), undefined, 'the page’s own session ended, too');
    await mailed((subject) => subject.startsWith('You were logged out'), 1);
  });

  await t.test('resets a forgotten password', async () => {
    await page.getByRole('link', { name: 'Forgot your password?' }).click();
    await page.locator('#forgot-email').fill(ADA.email);
    await page.getByRole('button', { name: 'Send the link' }).click();
    await view(page, 'check-mail');
    await openMailedLink(page, 'Choose a new password');
    await view(page, 'reset-password');
    assert.equal(new URL(page.url()).hash, '#/reset-password');
    await page.locator('#reset-password-new').fill('password1234');
    await page.getByRole('button', { name: 'Set the password' }).click();
    await page.locator('#reset-password-new-error:not(:empty)').waitFor();
    await picture(page, 'reset-password');
    ADA.password = 'nineteen green geese';
    await page.locator('#reset-password-new').fill(ADA.password);
    await page.getByRole('button', { name: 'Set the password' }).click();
    await shown(page, 'Your new password is set');
  });

  await t.test('changes the address, at a press of the button in the mail’s page', async () => {
    await logIn(page, ADA.password);
    const change = async (email, password) => {
      await page.locator('#new-email').fill(email);
      await page.locator('#change-email-password').fill(password);
      await page.getByRole('button', { name: 'Send a link to the new address' }).click();
    };
    await change(ADA.email, ADA.password);
    await page.locator('#new-email-error:not(:empty)').waitFor();
    await change('countess@example.org', 'not the password');
    await page.locator('#change-email-password-error:not(:empty)').waitFor();
    await picture(page, 'change-email-error');
    await change('countess@example.org', ADA.password);
    await shown(page, 'A mail is on its way to countess@example.org.');
    await page.getByRole('button', { name: 'Who am I?' }).click();
    await shown(page, `The server says: ${ADA.email}`);
    await openMailedLink(page, 'Confirm your new address');
    await view(page, 'confirm-email');
    assert.equal(new URL(page.url()).hash, '#/confirm-email', 'the token is out of the address at once');
    await picture(page, 'confirm-email');
    await page.getByRole('button', { name: 'Confirm my new address' }).click();
    await shown(page, 'Your new address is confirmed');
    await view(page, 'log-in');
    assert.equal(await refreshCookie(), undefined, 'every session ended, this one too');
    ADA.email = 'countess@example.org';
    await openMailedLink(page, 'Confirm your new address');
    await page.getByRole('button', { name: 'Confirm my new address' }).click();
    await shown(page, 'This link has expired, or it was used already.');
    const told = await mailed((subject) => subject.endsWith('was changed') && subject.startsWith('The address'), 2);
    assert.deepEqual(told.map(({ to }) => to).sort(), ['ada@example.com', 'countess@example.org']);
    assert.ok(told.every(({ text }) => text.includes('c***@example.org') && !text.includes('token=')));
  });

  await t.test('logs out, in every tab', async () => {
    await logIn(page, ADA.password);
    const other = await home.newPage();
    await other.goto(url);
    await view(other, 'account');
    await page.getByRole('button', { name: 'Log out', exact: true }).click();
    await shown(page, 'You are logged out.');
    await shown(other, 'You logged out in another tab.');
    assert.equal(await refreshCookie(), undefined);
  });

  await home.close();
});

/** The next refresh reaches the server, but its answer does not reach the page; returns how many were sent. */
async function loseNextAnswer(page) {
  const sent = { count: 0 };
  await page.route('**/auth/refresh', async (route) => {
    sent.count += 1;
    if (sent.count > 1) return route.continue();
    const request = route.request();
    const { status } = await fetch(request.url(), { method: 'POST', headers: { cookie: (await request.allHeaders()).cookie } });
    assert.equal(status, 200);
    return route.abort('connectionreset');
  });
  return sent;
}

test('a strict server is not asked twice when an answer is lost', async () => {
  const home = await context();
  const page = await home.newPage();
  await logIn(page);
  const sent = await loseNextAnswer(page);
  await page.locator('#refresh').click();
  await shown(page, 'nobody knows whether the refresh token was exchanged');
  assert.equal(sent.count, 1);
  // The advice is sound: logging out with the consumed token is no theft.
  await page.getByRole('button', { name: 'Log out', exact: true }).click();
  await view(page, 'log-in');
  await home.close();
});

test('with a leeway, a lost answer is asked for again; with the policy, verifying wants the password', async () => {
  const origin = await startServer({ REFRESH_REUSE_LEEWAY: '5s', VERIFY_REQUIRES_PASSWORD: 'true', RATE_LIMIT_STORE: 'none' });
  const home = await context({}, origin);
  const page = await home.newPage();
  await page.goto(`${origin}/#/register`);
  await page.locator('#register-email').fill(ADA.email);
  await page.locator('#register-password').fill(ADA.password);
  await page.getByRole('button', { name: 'Create account' }).click();
  await view(page, 'check-mail');
  await page.getByRole('link', { name: 'Log in' }).click();
  await page.locator('#log-in-password').fill(ADA.password);
  await page.getByRole('button', { name: 'Log in' }).click();
  await shown(page, 'not confirmed yet');
  await page.getByRole('link', { name: 'Send the link again' }).click();
  await view(page, 'resend');
  assert.equal(await page.locator('#resend-email').inputValue(), ADA.email);
  await openMailedLink(page, 'Confirm your address', origin);
  await page.locator('#verify-password').fill('not the password');
  await page.getByRole('button', { name: 'Confirm my address' }).click();
  await page.locator('#verify-password-error:not(:empty)').waitFor();
  await page.locator('#verify-password').fill(ADA.password);
  await page.getByRole('button', { name: 'Confirm my address' }).click();
  await shown(page, 'Your address is confirmed');
  await logIn(page, ADA.password, origin);
  const cookie = async () => (await home.cookies(origin)).find(({ name }) => name === 'refresh').value;
  const before = await cookie();
  // Younger than ten seconds it would not be exchanged at all.
  await page.waitForTimeout(10_100);
  const sent = await loseNextAnswer(page);
  await page.locator('#refresh').click();
  await shown(page, 'The refresh token was exchanged');
  assert.equal(sent.count, 2);
  assert.notEqual(await cookie(), before);
  await page.getByRole('button', { name: 'Who am I?' }).click();
  await shown(page, 'The server says');
  await home.close();
});

test('two tabs that refresh at once stay logged in, on a strict server', async () => {
  const origin = await startServer({ RATE_LIMIT_STORE: 'none' });
  const post = (path, body) => fetch(`${origin}/api/v1${path}`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
  await post('/auth/register', ADA);
  const [mail] = await mailed((subject) => subject.includes('Confirm your address'), 1, origin);
  assert.equal((await post('/auth/verify-email', { token: mail.text.match(/token=(\S+)/)[1] })).status, 200);
  const home = await context({}, origin);
  const tabs = [await home.newPage(), await home.newPage()];
  await logIn(tabs[0], ADA.password, origin);
  await tabs[1].goto(origin);
  await view(tabs[1], 'account');
  const cookie = async () => (await home.cookies(origin)).find(({ name }) => name === 'refresh')?.value;
  for (let round = 1; round <= 15; round += 1) {
    const before = await cookie();
    const answers = tabs.map((tab) => tab.waitForResponse('**/auth/refresh'));
    await Promise.all(tabs.map((tab) => tab.evaluate(() => document.getElementById('refresh').click())));
    for (const answer of await Promise.all(answers)) assert.equal(answer.status(), 200, `round ${round}`);
    for (const tab of tabs) await tab.locator('#refresh:not([disabled])').waitFor();
    assert.notEqual(await cookie(), before, 'it was exchanged');
  }
  for (const tab of tabs) {
    await tab.getByRole('button', { name: 'Who am I?' }).click();
    await shown(tab, `The server says: ${ADA.email}`);
    await tab.reload();
    await view(tab, 'account');
  }
  const mails = await mailed(() => true, 1, origin);
  assert.deepEqual(mails.map(({ subject }) => subject), [mail.subject], 'nobody was taken for a thief');
  await home.close();
});

test('it looks good on a phone, in the dark', async () => {
  const pocket = await context({ viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, colorScheme: 'dark', hasTouch: true, isMobile: true });
  const page = await pocket.newPage();
  await page.goto(url);
  await view(page, 'log-in');
  await picture(page, 'phone-log-in');
  await logIn(page);
  await page.getByText('this one', { exact: true }).waitFor();
  await picture(page, 'phone-account');
  const wide = await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
  assert.ok(!wide, 'nothing sticks out');
  await page.goto(`${url}/dev/mailbox`);
  await page.getByRole('heading', { name: 'Mailbox' }).waitFor();
  await page.getByRole('button', { name: /Confirm your address/ }).click();
  await page.frameLocator('#html').getByText('Confirm address').waitFor();
  await page.screenshot({ path: join(PICTURES, 'phone-mailbox.png') });
  await pocket.close();
});

test('no page did anything that it must not', () => {
  assert.deepEqual(faults, []);
});
