// What every page has: the policy, the style sheet, the script and its data.
import { createHash } from 'node:crypto';
import script from 'pinfold:page-script';
import style from 'pinfold:page-style';
import type { Chart } from '../chart';
import { embeddedJson, html, Markup } from './markup';

interface Page {
  title: string;
  body: Markup;
  /** What the button saves; `portraits` are drawn. */
  data: object;
  /** By the id of the figure that each is drawn in. */
  charts: Record<string, Chart>;
}

/** The policy lets in the page's one script and one style sheet, by their hashes, and nothing else. */
export function page({ title, body, data, charts }: Page): string {
  const policy = [
    "default-src 'none'",
    `script-src ${hashOf(script)}`,
    `style-src ${hashOf(style)}`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  return `<!doctype html>\n${
    html`<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>${title}</title>
<style>${new Markup(style)}</style>
</head>
<body>
${body}
<script type="application/json" id="report">${embeddedJson(data)}</script>
<script type="application/json" id="charts">${embeddedJson(charts)}</script>
<script>${new Markup(script)}</script>
</body>
</html>`.text
  }\n`;
}

const hashOf = (source: string): string => `'sha256-${createHash('sha256').update(source).digest('base64')}'`;
