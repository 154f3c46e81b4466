// node mail-pictures.mjs MAILS PICTURES: all in English; the first also in each other language.
import { mkdirSync, readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { chromium } from 'playwright-core';

const [mails, pictures] = process.argv.slice(2).map((path) => resolve(path));
mkdirSync(pictures, { recursive: true });
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
const looks = {
  light: { viewport: { width: 640, height: 200 }, colorScheme: 'light' },
  dark: { viewport: { width: 640, height: 200 }, colorScheme: 'dark' },
  phone: { viewport: { width: 320, height: 200 }, colorScheme: 'light' },
};
for (const file of readdirSync(mails).filter((name) => name.endsWith('.html')).sort()) {
  const [kind, language] = file.split('.');
  for (const [look, options] of Object.entries(looks)) {
    if (language !== 'en' && (kind !== 'verify_email' || look !== 'light')) continue;
    const page = await browser.newPage(options);
    await page.goto(`file://${mails}/${file}`);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
    if (wide) throw new Error(`${file} is wider than ${options.viewport.width} px`);
    const name = language === 'en' ? `${kind}-${look}` : `${kind}-${language}`;
    await page.screenshot({ path: `${pictures}/${name}.png`, fullPage: true });
    await page.close();
  }
}
await browser.close();
