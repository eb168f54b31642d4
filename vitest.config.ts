import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { inlinePageForVite } from './scripts/inline-page.ts';

const dist = (file: string) => fileURLToPath(new URL(`./dist/${file}`, import.meta.url));

export default defineConfig({
  plugins: [inlinePageForVite()],
  // Vite does not resolve a package's reference to itself.
  resolve: {
    alias: { 'pinfold/top': dist('top.js'), pinfold: dist('index.js'), '#harness': dist('harness.js') },
  },
  test: {
    include: ['test/**/*.test.ts'],
    // They need Chromium, or take minutes: npm run test:browser, npm run test:bench.
    exclude: ['test/browser/**', 'test/bench-cli/**'],
    setupFiles: ['scripts/coverage-setup.ts', 'test/support/direct-setup.ts'],
    // Where CI is set, programs have colours in pipes, too: what tests look at is the same everywhere.
    env: { CI: '' },
    pool: 'forks', // tests start worker threads of their own
    maxWorkers: 2,
    // A guard against hangs alone: what a test waits for has limits of its own. A slow machine must not meet it.
    testTimeout: 240_000,
    hookTimeout: 120_000,
    // Node itself loads the build: untouched code, one instance, and coverage that maps back to src.
    server: { deps: { external: [/\/dist\/[^/]+\.js$/] } },
  },
});
