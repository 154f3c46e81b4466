// The OpenAPI document as those use it who have nothing else: a linter finds nothing to say, a generator makes types of
// it, and a client that is written with these types works.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { createConfig, lintFromString } from '@redocly/openapi-core';
import openapiTS, { astToString } from 'openapi-typescript';

const HERE = dirname(fileURLToPath(import.meta.url));
const TARGET = process.env.CARGO_TARGET_DIR ?? join(HERE, '../../target');
const ADA = { email: 'ada@example.com', password: 'correct horse battery' };

let server, directory, url, document;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'auth-openapi-'));
  // An https address, as in production: linters object to a server that is `localhost`.
  const settings = { PORT: '0', DATABASE_URL: 'memory:', PUBLIC_URL: 'https://auth.example.test', DEV_MAILBOX: 'public' };
  server = spawn(join(TARGET, 'debug/server'), { cwd: directory, env: settings, stdio: ['ignore', 'pipe', 'ignore'] });
  const [line] = await once(createInterface(server.stdout), 'line');
  url = line.replace('listening on ', '');
  document = await (await fetch(`${url}/openapi.json`)).text();
});

after(async () => {
  server?.kill('SIGKILL');
  if (directory) await rm(directory, { recursive: true, force: true });
});

const lint = async (source) => {
  const config = await createConfig({ extends: ['recommended-strict'] });
  const problems = await lintFromString({ source, absoluteRef: 'openapi.json', config });
  return problems.map(({ ruleId, message, location }) => `${ruleId}: ${message} at ${location[0]?.pointer}`);
};

test('a linter finds no error and no warning', async () => {
  assert.deepEqual(await lint(document), []);
});

test('the linter is awake', async () => {
  const broken = JSON.parse(document);
  delete broken.paths['/api/v1/auth/login'].post.security;
  broken.paths['/api/v1/users/me'].get.responses['200'].content['application/json'].schema.$ref = '#/components/schemas/Nobody';
  const rules = (await lint(JSON.stringify(broken))).map((problem) => problem.split(':')[0]);
  assert.deepEqual(rules.sort(), ['no-unresolved-refs', 'security-defined']);
});

test('a client with generated types compiles and works', async () => {
  await writeFile(join(HERE, 'schema.ts'), astToString(await openapiTS(document)));
  try {
    await promisify(execFile)(process.execPath, [join(HERE, 'node_modules/typescript/bin/tsc'), '--project', HERE]);
  } catch ({ stdout, stderr }) {
    assert.fail(`${stdout}${stderr}`);
  }
  const { Client } = await import('./built/client.js');
  const client = new Client(url);
  const refused = (code) => (error) => error.code === code;

  assert.equal(await client.register(ADA.email, ADA.password), 'verification_sent');
  await assert.rejects(client.logIn(ADA.email, ADA.password), refused('email_not_verified'));
  assert.equal(await client.verify(await mailedToken()), 'verified');
  const first = await client.logIn(ADA.email, ADA.password);
  assert.equal(await client.user(first), 'Ada');
  const second = await client.refresh(await client.restore(first));
  assert.notEqual(second.refresh, first.refresh);
  const other = await client.logIn(ADA.email, ADA.password, second.device);
  const [id, ...more] = await client.otherSessions(second);
  assert.deepEqual(more, []);
  await client.revoke(second, id);
  await assert.rejects(client.restore(other), refused('invalid_refresh_token'));
  await assert.rejects(client.revoke(second, id), refused('not_found'));
  await assert.rejects(client.changePassword(second, 'not the password', 'seventeen blue herons'), refused('validation_failed'));
  const third = await client.changePassword(second, ADA.password, 'seventeen blue herons');
  await assert.rejects(client.user(second), refused('invalid_access_token'));
  assert.equal(await client.user(third), 'Ada');
  await client.logOut(third);
  await assert.rejects(client.refresh(third), refused('invalid_refresh_token'));
});

/** The token in the newest mail, which is sent within a second. */
async function mailedToken() {
  for (const end = Date.now() + 10_000; Date.now() < end;) {
    const mails = await (await fetch(`${url}/dev/mailbox.json`)).json();
    const found = mails.at(-1)?.text.match(/token=(\S+)/);
    if (found) return found[1];
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return assert.fail('no mail came');
}
