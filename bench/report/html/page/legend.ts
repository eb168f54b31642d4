// The legend: a button for each line, which shows or hides it, with the line's value under the pointer.
import { onTheme } from './theme';

export interface Entry {
  name: string;
  colour: () => string;
  /** A dashed line; none: a filled square. */
  dash?: readonly number[];
  /** Shows or hides it. */
  toggle(shown: boolean): void;
}

const SVG = 'http://www.w3.org/2000/svg';

export class Legend {
  readonly #values: HTMLElement[] = [];
  readonly #where = document.createElement('span');

  constructor(into: HTMLElement, entries: readonly Entry[]) {
    for (const entry of entries) into.append(this.#button(entry));
    this.#where.className = 'where';
    this.#where.setAttribute('aria-hidden', 'true');
    into.append(this.#where);
  }

  /** Under the pointer: where that is, and a text for each entry. */
  read(where: string, values: readonly string[]): void {
    this.#where.textContent = where;
    this.#values.forEach((element, n) => {
      element.textContent = values[n] ?? '';
    });
  }

  #button({ name, colour, dash, toggle }: Entry): HTMLButtonElement {
    const button = document.createElement('button');
    button.type = 'button';
    button.setAttribute('aria-pressed', 'true');
    const value = document.createElement('span');
    value.className = 'value';
    value.setAttribute('aria-hidden', 'true');
    this.#values.push(value);
    button.append(swatch(colour, dash), name, value);
    button.addEventListener('click', () => {
      const shown = button.getAttribute('aria-pressed') !== 'true';
      button.setAttribute('aria-pressed', String(shown));
      toggle(shown);
    });
    return button;
  }
}

function swatch(colour: () => string, dash: readonly number[] | undefined): SVGSVGElement {
  const svg = document.createElementNS(SVG, 'svg');
  const shape = document.createElementNS(SVG, dash === undefined ? 'rect' : 'line');
  const box = dash === undefined ? { x: 5, y: 1, width: 12, height: 12 } : { x1: 0, x2: 24, y1: 7, y2: 7 };
  for (const [key, value] of Object.entries({ ...box, 'stroke-dasharray': dash?.join(' ') ?? '' }))
    shape.setAttribute(key, String(value));
  for (const [key, value] of Object.entries({ width: 24, height: 14, 'aria-hidden': true }))
    svg.setAttribute(key, String(value));
  svg.append(shape);
  const paint = (): void => shape.setAttribute(dash === undefined ? 'fill' : 'stroke', colour());
  paint();
  onTheme(paint);
  return svg;
}
