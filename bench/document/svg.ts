// Line charts side by side, as one SVG file: static, no script, readable in light and dark, by colour, mark and dash.
//
// Written out, since what draws SVG without a browser either brings one along (a DOM, or tens of MB), or has no say in how a chart looks on
// a dark page.

export interface Line {
  name: string;
  style: 'first' | 'second' | 'control';
  /** One a tick of x; null where there is none. */
  values: (number | null)[];
}

export interface Charts {
  title: string;
  /** What is to be seen, for who can't see it. */
  description: string;
  panels: { title: string; lines: Line[] }[];
  x: { label: string; ticks: string[] };
  /** `log`: figures of 0 are at the lower end. */
  y: { label: string; scale: 'linear' | 'log' };
}

const PANEL = { width: 210, height: 190, gap: 24 };
const MARGIN = { left: 74, top: 58, right: 14, bottom: 74 };
const TICKS = 5;

const STYLE = `
  text { font: 12px system-ui, sans-serif; fill: #24292f }
  .title { font-weight: 600; font-size: 14px }
  .grid { stroke: #d0d7de; stroke-width: 1 }
  .zero { stroke: #57606a; stroke-width: 1 }
  .line { fill: none; stroke-width: 2 }
  .first { stroke: #0072b2 } .mark.first { fill: #0072b2 }
  .second { stroke: #d55e00 } .mark.second { fill: #d55e00 }
  .control { stroke: #57606a; stroke-dasharray: 4 3; stroke-width: 1.5 } .mark.control { fill: none; stroke-dasharray: none }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .grid { stroke: #30363d } .zero { stroke: #8b949e }
    .first { stroke: #56b4e9 } .mark.first { fill: #56b4e9 }
    .second { stroke: #e69f00 } .mark.second { fill: #e69f00 }
    .control { stroke: #8b949e }
  }`;

export function lineCharts(charts: Charts): string {
  const { title, description, panels, x, y } = charts;
  const width = MARGIN.left + panels.length * (PANEL.width + PANEL.gap) - PANEL.gap + MARGIN.right;
  const height = MARGIN.top + PANEL.height + MARGIN.bottom;
  const scale = scaleOf(charts);
  const bodies = panels.map((panel, n) => panelOf(panel, n, charts, scale));
  const middle = MARGIN.top + PANEL.height / 2;
  const names = panels[0]?.lines ?? [];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="t d">`,
    `<title id="t">${escaped(title)}</title>`,
    `<desc id="d">${escaped(description)}</desc>`,
    `<style>${STYLE}\n</style>`,
    `<text class="title" x="${MARGIN.left}" y="20">${escaped(title)}</text>`,
    `<text transform="translate(14 ${middle}) rotate(-90)" text-anchor="middle">${escaped(y.label)}</text>`,
    ...scale.ticks.map(
      (tick) =>
        `<text x="${MARGIN.left - 6}" y="${scale.at(tick) + 4}" text-anchor="end">${textOf(tick)}</text>`,
    ),
    ...bodies,
    `<text x="${MARGIN.left}" y="${height - 36}">${escaped(x.label)}</text>`,
    ...names.map(({ name, style }, n) => legend(name, style, MARGIN.left + n * 170, height - 12)),
    '</svg>',
    '',
  ].join('\n');
}

interface Scale {
  ticks: number[];
  at(value: number): number;
}

function scaleOf({ panels, y }: Charts): Scale {
  const values = panels
    .flatMap(({ lines }) => lines.flatMap((line) => line.values))
    .filter((v) => v !== null);
  const bottom = MARGIN.top + PANEL.height;
  if (y.scale === 'log') {
    const positive = values.filter((value) => value > 0);
    const low = Math.floor(Math.log10(Math.min(...positive, 1e9)));
    const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...positive, 10 ** low))));
    const ticks = Array.from({ length: high - low + 1 }, (_, n) => 10 ** (low + n));
    const share = (value: number) => (value <= 0 ? 0 : (Math.log10(value) - low) / (high - low));
    return { ticks, at: (value) => round(bottom - Math.max(0, share(value)) * PANEL.height) };
  }
  const step = niceStep((Math.max(...values, 0) - Math.min(...values, 0)) / TICKS);
  const low = Math.floor(Math.min(...values, 0) / step);
  const high = Math.max(low + 1, Math.ceil(Math.max(...values, 0) / step));
  const ticks = Array.from({ length: high - low + 1 }, (_, n) => (low + n) * step);
  return {
    ticks,
    at: (value) => round(bottom - ((value / step - low) / (high - low)) * PANEL.height),
  };
}

/** The next of 1, 2, 5 times a power of ten. */
function niceStep(least: number): number {
  if (!(least > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5, 10].map((n) => n * power).find((step) => step >= least * 0.999) ?? 10 * power;
}

function panelOf({ title, lines }: Charts['panels'][number], n: number, { x }: Charts, scale: Scale): string {
  const left = MARGIN.left + n * (PANEL.width + PANEL.gap);
  const step = PANEL.width / x.ticks.length;
  const xAt = (tick: number) => round(left + (tick + 0.5) * step);
  const bottom = MARGIN.top + PANEL.height;
  const grid = scale.ticks.map(
    (tick) => `<path class="${tick === 0 ? 'zero' : 'grid'}" d="M${left} ${scale.at(tick)}h${PANEL.width}"/>`,
  );
  const ticks = x.ticks.map(
    (tick, at) => `<text x="${xAt(at)}" y="${bottom + 18}" text-anchor="middle">${escaped(tick)}</text>`,
  );
  const drawn = lines.flatMap(({ style, values }) => {
    const points = values.flatMap((value, at) =>
      value === null ? [] : [[xAt(at), scale.at(value)] as const],
    );
    const path = points.map(([px, py], i) => `${i === 0 ? 'M' : 'L'}${px} ${py}`).join('');
    return [`<path class="line ${style}" d="${path}"/>`, ...points.map(([px, py]) => mark(style, px, py))];
  });
  return [
    `<text x="${left + PANEL.width / 2}" y="${MARGIN.top - 12}" text-anchor="middle">${escaped(title)}</text>`,
    ...grid,
    ...ticks,
    ...drawn,
  ].join('\n');
}

function mark(style: Line['style'], x: number, y: number): string {
  if (style === 'second')
    return `<rect class="mark second" x="${x - 3.5}" y="${y - 3.5}" width="7" height="7"/>`;
  return `<circle class="mark ${style}" cx="${x}" cy="${y}" r="${style === 'first' ? 4 : 5.5}"/>`;
}

function legend(name: string, style: Line['style'], x: number, y: number): string {
  return `<path class="line ${style}" d="M${x} ${y - 4}h26"/>${mark(style, x + 13, y - 4)}<text x="${x + 32}" y="${y}">${escaped(name)}</text>`;
}

function textOf(value: number): string {
  return Math.abs(value) >= 1_000 ? value.toLocaleString('en-US') : String(round(value));
}

function round(value: number): number {
  return Math.round(value * 1e3) / 1e3;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
