// Debian's Chromium, for the tests of the report and its picture. It talks to nobody but the page.
import { type Browser, chromium } from 'playwright-core';

/** Another one: `PINFOLD_CHROMIUM`. */
export const CHROMIUM = process.env.PINFOLD_CHROMIUM ?? '/usr/bin/chromium';

const FLAGS = [
  '--no-sandbox', // root has none
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export function launchChromium(): Promise<Browser> {
  return chromium.launch({ executablePath: CHROMIUM, args: FLAGS, timeout: 60_000 });
}
