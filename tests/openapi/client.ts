// A native client, written with the types that a generator makes from the OpenAPI document. `strict` must accept it.

import createClient from 'openapi-fetch';

import type { components, paths } from './schema.js';

type Session = components['schemas']['Session'];
type Code = components['schemas']['Code'];

/** What a native client keeps of a session. */
export interface Kept {
  access: string;
  refresh: string;
  device: string | undefined;
}

const IN_BODY = { 'X-Token-Transport': 'body' } as const;

export class Client {
  readonly #api;

  constructor(baseUrl: string) {
    this.#api = createClient<paths>({ baseUrl });
  }

  async register(email: string, password: string): Promise<'verification_sent'> {
    const { data, error } = await this.#api.POST('/api/v1/auth/register', { body: { email, password, name: 'Ada' } });
    if (error) throw new Refused(error.code);
    return data.status;
  }

  async verify(token: string): Promise<'verified'> {
    const { data, error } = await this.#api.POST('/api/v1/auth/verify-email', { body: { token } });
    if (error) throw new Refused(error.code);
    return data.status;
  }

  async logIn(email: string, password: string, device?: string): Promise<Kept> {
    const { data, error } = await this.#api.POST('/api/v1/auth/login', {
      params: { header: { ...IN_BODY, ...(device ? { 'X-Device-Token': device } : {}) } },
      body: { email, password },
    });
    if (error) throw new Refused(error.code);
    return kept(data);
  }

  async restore({ refresh, device }: Kept): Promise<Kept> {
    const { data, error } = await this.#api.POST('/api/v1/auth/me', {
      params: { header: IN_BODY },
      body: { refresh_token: refresh },
    });
    if (error) throw new Refused(error.code);
    return { access: data.access_token, refresh, device };
  }

  async refresh({ refresh, device }: Kept): Promise<Kept> {
    const { data, error } = await this.#api.POST('/api/v1/auth/refresh', {
      params: { header: IN_BODY },
      body: { refresh_token: refresh },
    });
    if (error) throw new Refused(error.code);
    return { ...kept(data), device };
  }

  async user({ access }: Kept): Promise<string> {
    const { data, error } = await this.#api.GET('/api/v1/users/me', { headers: bearer(access) });
    if (error) throw new Refused(error.code);
    return data.name ?? data.email;
  }

  async changePassword({ access }: Kept, current_password: string, new_password: string): Promise<Kept> {
    const { data, error } = await this.#api.POST('/api/v1/users/me/password', {
      params: { header: IN_BODY },
      headers: bearer(access),
      body: { current_password, new_password },
    });
    if (error) throw new Refused(error.code);
    return kept(data);
  }

  async otherSessions({ access }: Kept): Promise<string[]> {
    const { data, error } = await this.#api.GET('/api/v1/users/me/sessions', { headers: bearer(access) });
    if (error) throw new Refused(error.code);
    return data.sessions.filter(({ current }) => !current).map(({ id }) => id);
  }

  async revoke({ access }: Kept, id: string): Promise<void> {
    const { error } = await this.#api.DELETE('/api/v1/users/me/sessions/{id}', {
      params: { path: { id } },
      headers: bearer(access),
    });
    if (error) throw new Refused(error.code);
  }

  async logOut({ refresh }: Kept): Promise<void> {
    const { error } = await this.#api.POST('/api/v1/auth/logout', {
      params: { header: IN_BODY },
      body: { refresh_token: refresh },
    });
    if (error) throw new Refused(error.code);
  }

  /** None of these calls is one that the document allows; the compiler must say so of each. */
  async wrong(): Promise<void> {
    // @ts-expect-error: without the header there is no such route
    await this.#api.POST('/api/v1/auth/me', { body: { refresh_token: '' } });
    // @ts-expect-error: the body is required
    await this.#api.POST('/api/v1/auth/me', { params: { header: IN_BODY } });
    // @ts-expect-error: the one other transport is the cookie, which has no name
    await this.#api.POST('/api/v1/auth/login', { params: { header: { 'X-Token-Transport': 'cookie' } }, body: { email: '', password: '' } });
    // @ts-expect-error: a field is missing
    await this.#api.POST('/api/v1/auth/login', { body: { email: '' } });
    const known = { email: '', password: '' };
    // @ts-expect-error: a field is unknown
    const unknown: components['schemas']['LogIn'] = { ...known, remember: true };
    await this.#api.POST('/api/v1/auth/login', { body: unknown });
    // @ts-expect-error: the path has no such method
    await this.#api.PUT('/api/v1/users/me', {});
    // @ts-expect-error: no such code
    isCode('invalid_pasword');
  }
}

/** A problem, by its code: what a client branches on. */
export class Refused extends Error {
  constructor(readonly code: Code) {
    super(code);
  }
}

function isCode(code: Code): Code {
  return code;
}

function bearer(access: string): { Authorization: string } {
  return { Authorization: `Bearer ${access}` };
}

function kept(session: Session): Kept {
  if (session.refresh_token === undefined) throw new Error('the refresh token is not in the body');
  return { access: session.access_token, refresh: session.refresh_token, device: session.device_token };
}
