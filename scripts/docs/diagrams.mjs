// node diagrams.mjs DIRECTORY: each DIRECTORY/*.mmd becomes an .svg beside it.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const directory = resolve(process.argv[2]);
const mermaid = resolve(dirname(fileURLToPath(import.meta.url)), 'node_modules/mermaid/dist/mermaid.min.js');

// One drawing for both colour schemes of a page.
const colours = `
  svg { --ink: #1f2328; --page: #ffffff; }
  @media (prefers-color-scheme: dark) { svg { --ink: #e6edf3; --page: #0d1117; } }
  text, tspan { fill: var(--ink) !important; stroke: none !important; }
  line, path, polyline, rect, polygon, circle { stroke: var(--ink) !important; }
  rect, polygon { fill: var(--page) !important; }
  .note { stroke-dasharray: 4 3; }
  marker path { fill: var(--ink) !important; }
  .edgeLabel rect { stroke: none !important; opacity: 1 !important; }
`;

const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
const page = await browser.newPage();
await page.addScriptTag({ path: mermaid });
for (const file of readdirSync(directory).filter((name) => name.endsWith('.mmd')).sort()) {
  const source = readFileSync(`${directory}/${file}`, 'utf8');
  const svg = await page.evaluate(async ([id, text]) => {
    globalThis.mermaid.initialize({
      startOnLoad: false,
      theme: 'neutral',
      fontFamily: 'DejaVu Sans, Verdana, sans-serif',
      htmlLabels: false,
      flowchart: { htmlLabels: false },
      sequence: { mirrorActors: false, width: 190, actorMargin: 90 },
    });
    return (await globalThis.mermaid.render(id, text)).svg;
  }, [file.replace('.mmd', ''), source]);
  const digest = createHash('sha256').update(source).digest('hex');
  const styled = svg.replace(/(<svg[^>]*>)/, `$1<!-- made from ${file}, sha256 ${digest} --><style>${colours}</style>`);
  writeFileSync(`${directory}/${file.replace('.mmd', '.svg')}`, `${styled}\n`);
}
await browser.close();
