// A bar chart is a list with a bar for each of its figures, which are text; it needs no script.
import type { Bar, BarChart } from '../chart';
import { digits } from '../format';
import { toned } from './blocks';
import { html, type Markup } from './markup';

/** Room beside the longest bar, in parts of the width. */
const ROOM = 1.03;
/** A logarithmic scale has no zero. */
const LEAST = 2 ** -20;

export function barRows(chart: BarChart): Markup {
  const { label, bars, line } = chart;
  const { at, begin } = scaleOf(chart);
  const mark = line && html`<line class="mark" x1="${at(line.at)}%" x2="${at(line.at)}%" y1="0" y2="100%"/>`;
  return html`<ul class="bars">${bars.map(
    (bar) =>
      html`<li><span class="name">${bar.name}</span> <span class="figure">${figureOf(bar, label)}</span><svg class="bar ${bar.tone ?? 'plain'}" aria-hidden="true" width="100%" height="16">${barOf(bar, begin, at)}${mark}</svg></li>`,
  )}</ul><p class="axis">${label}${line && html`; the dashed line: ${line.name}`}</p>`;
}

/** Places in percent of the width: of values, and of where bars begin. */
function scaleOf({ bars, line, scale }: BarChart): { at(value: number): number; begin: number } {
  const place = (value: number) => (scale === 'log' ? Math.log2(Math.max(value, LEAST)) : value);
  const start = line?.from === true ? place(line.at) : 0;
  const places = bars.flatMap(({ value, q1, q3 }) => [value, q1 ?? value, q3 ?? value].map(place));
  if (line !== undefined) places.push(place(line.at));
  const low = start - ROOM * Math.max(0, start - Math.min(...places));
  const high = start + ROOM * Math.max(0, Math.max(...places) - start);
  const percent = (at: number) => round((100 * (at - low)) / (high - low || 1));
  return { at: (value) => percent(place(value)), begin: percent(start) };
}

function figureOf({ value, text, tone }: Bar, label: string): Markup {
  const shown = text ?? `${digits(value)} ${label}`;
  return toned(tone === undefined ? shown : { text: shown, tone });
}

function barOf({ value, q1, q3 }: Bar, begin: number, at: (value: number) => number): Markup {
  const left = Math.min(begin, at(value));
  const right = Math.max(begin, at(value));
  const spread =
    q1 !== undefined &&
    q3 !== undefined &&
    html`<line class="spread" x1="${at(Math.min(q1, q3))}%" x2="${at(Math.max(q1, q3))}%" y1="8" y2="8"/>`;
  return html`<rect x="${left}%" width="${round(right - left)}%" y="2" height="12"/>${spread}`;
}

const round = (value: number): number => Math.round(value * 100) / 100;
