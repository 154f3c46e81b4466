// One request to the API. Refusals are thrown as `Problem`, silence as `NoAnswer`.

import { record } from './activity.js';

const PATIENCE_MS = 20_000;

/** An answer of 4xx or 5xx (RFC 9457). */
export class Problem extends Error {
  constructor(response, json) {
    super(json?.detail ?? `status ${response.status}`);
    this.status = response.status;
    this.code = json?.code ?? 'unknown';
    this.detail = json?.detail;
    this.errors = json?.errors ?? [];
    this.retryAfter = Number(response.headers.get('retry-after')) || 0;
  }
}

/** No answer, or half of one: whether the server did what was asked is unknown. */
export class NoAnswer extends Error {
  code = 'no_answer';
}

let basePath = '';

export function useBasePath(path) {
  basePath = path;
}

/**
 * Sends a request and returns the JSON of its answer.
 *
 * `native` speaks as a client without cookies does: the refresh token travels in the JSON, and the
 * browser neither sends nor stores a cookie.
 */
export async function call(method, path, { body, bearer, native = false } = {}) {
  const headers = {};
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  if (bearer) headers.Authorization = `Bearer ${bearer}`;
  if (native) headers['X-Token-Transport'] = 'body';
  const entry = record(method, path, body);
  let response, json;
  try {
    response = await fetch(basePath + path, {
      method,
      headers,
      body: body && JSON.stringify(body),
      credentials: native ? 'omit' : 'same-origin',
      // A refresh goes on when its page is closed: the cookie of its answer must not get lost.
      keepalive: method === 'POST',
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    const text = await response.text();
    json = text ? JSON.parse(text) : undefined;
  } catch {
    entry.failed();
    throw new NoAnswer('no answer');
  }
  entry.answered(response, json);
  if (!response.ok) throw new Problem(response, json);
  return json;
}
