// Numbers, times and problems in words.

const SECOND = 1000;
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });
const whole = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'medium' });
const day = new Intl.DateTimeFormat('en', { dateStyle: 'long' });

const count = (number, unit) => `${number} ${unit}${number === 1 ? '' : 's'}`;

/** "12 minutes", rounded up: whoever waits that long does not come too early. */
export function duration(seconds) {
  if (seconds < 90) return count(Math.ceil(seconds), 'second');
  if (seconds < 90 * 60) return count(Math.ceil(seconds / 60), 'minute');
  if (seconds < 36 * 3600) return count(Math.ceil(seconds / 3600), 'hour');
  return count(Math.ceil(seconds / 86400), 'day');
}

/** "14:59" */
export function clock(seconds) {
  const left = Math.max(0, Math.floor(seconds));
  return `${Math.floor(left / 60)}:${String(left % 60).padStart(2, '0')}`;
}

/** "3 minutes ago" */
export function ago(time) {
  const seconds = (Date.parse(time) - Date.now()) / SECOND;
  if (seconds > -45 && seconds < 5) return 'just now';
  const [divisor, unit] = [[86400, 'day'], [3600, 'hour'], [60, 'minute']].find(([size]) => -seconds >= size) ?? [60, 'minute'];
  return relative.format(Math.round(seconds / divisor), unit);
}

export const exactTime = (time) => whole.format(new Date(time));
export const date = (time) => day.format(new Date(time));

/** "Firefox on Android", as far as the header tells. */
export function client(userAgent) {
  if (!userAgent) return 'Unknown client';
  const first = (pairs) => pairs.find(([pattern]) => pattern.test(userAgent))?.[1];
  const browser = first([
    [/Edg\//, 'Edge'], [/OPR\//, 'Opera'], [/Firefox\//, 'Firefox'], [/HeadlessChrome\//, 'Headless Chrome'],
    [/Chrome\//, 'Chrome'], [/Safari\//, 'Safari'], [/^curl\//, 'curl'],
  ]);
  const system = first([
    [/Android/, 'Android'], [/iPhone|iPad/, 'iOS'], [/Windows/, 'Windows'], [/Mac OS X/, 'macOS'], [/Linux/, 'Linux'],
  ]);
  if (!browser) return userAgent.slice(0, 60);
  return system ? `${browser} on ${system}` : browser;
}

const sentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}`;

/** What an error of `api.js` means to the person before the screen. */
export function explain(error) {
  const wait = error.retryAfter ? ` Try again in ${duration(error.retryAfter)}.` : '';
  switch (error.code) {
    case 'rate_limited': return `That was too often.${wait}`;
    case 'busy':
    case 'unavailable': return `The server can’t do this at the moment.${wait}`;
    case 'no_answer': return 'The server did not answer. Is it running?';
    case 'invalid_credentials': return 'This e-mail address and this password do not go together.';
    case 'invalid_token': return 'This link has expired, or it was used already.';
    case 'email_not_verified': return 'The password is right, but the address is not confirmed yet.';
    case 'session_ended': return 'Your session has ended. Log in again.';
    case 'outcome_unknown': return error.message;
    default: return sentence(error.detail || error.message || 'something went wrong');
  }
}

/** What is wrong with one field. */
export const explainField = ({ message }) => sentence(message);
