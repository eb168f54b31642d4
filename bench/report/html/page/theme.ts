// Colours of what is drawn, for a light page and a dark one. Lines: Okabe and Ito's colours, moved until each stands out from the page
// by 3:1; they differ in dash too.
import type { PageLook } from '../../../portrait';

export interface Theme {
  text: string;
  grid: string;
  lines: readonly string[];
  control: string;
  pin: string;
  /** Behind what happened while pages were pinned. */
  pinned: string;
  pages: Record<PageLook, string>;
  /** Through the middle of pages that are pinned: told without colour. */
  pinLine: string;
}

const LIGHT: Theme = {
  text: '#3d4650',
  grid: '#e4e8ed',
  lines: ['#0072b2', '#c44e00', '#00805c', '#a3479a', '#7a5c00', '#4b4bb5', '#1b1f24'],
  control: '#6b7683',
  pin: '#7a5c00',
  pinned: 'rgba(200, 150, 20, 0.13)',
  pages: {
    clean: '#dde4ec',
    dirty: '#f0a830',
    pinned: '#a6cdee',
    'pinned dirty': '#e2682e',
    writeback: '#00805c',
    'not cached': '#ffffff',
  },
  pinLine: '#16344f',
};

const DARK: Theme = {
  text: '#b9c3ce',
  grid: '#2a323c',
  lines: ['#56b4e9', '#ff9550', '#2fc99a', '#e58fd8', '#dcc04a', '#a9a5ff', '#e8edf2'],
  control: '#8d99a6',
  pin: '#dcc04a',
  pinned: 'rgba(220, 190, 70, 0.13)',
  pages: {
    clean: '#313b47',
    dirty: '#d9921a',
    pinned: '#3b77a8',
    'pinned dirty': '#c9521c',
    writeback: '#1fb487',
    'not cached': '#14181d',
  },
  pinLine: '#e8edf2',
};

const systemDark = matchMedia('(prefers-color-scheme: dark)');
const changed = new Set<() => void>();

function isDark(): boolean {
  const chosen = document.documentElement.dataset.theme;
  return chosen === undefined ? systemDark.matches : chosen === 'dark';
}

export function theme(): Theme {
  return isDark() ? DARK : LIGHT;
}

/** Calls `then` whenever the colours have changed. */
export function onTheme(then: () => void): void {
  changed.add(then);
}

/** The button says what the page is; until it is used, that follows the system. */
export function themeButton(button: HTMLButtonElement): void {
  const shown = (): void => {
    button.setAttribute('aria-pressed', String(isDark()));
    for (const then of changed) then();
  };
  button.addEventListener('click', () => {
    document.documentElement.dataset.theme = isDark() ? 'light' : 'dark';
    shown();
  });
  systemDark.addEventListener('change', shown);
  button.setAttribute('aria-pressed', String(isDark()));
  button.hidden = false;
}
