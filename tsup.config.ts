import { defineConfig } from 'tsup';
import { collectLicenses } from './scripts/collect-licenses';
import { inlinePage } from './scripts/inline-page';
import { inlineServices } from './scripts/inline-services';

export default defineConfig([
  {
    name: 'library',
    tsconfig: 'tsconfig.build.json',
    entry: { index: 'src/index.ts', harness: 'src/harness/index.ts' },
    format: ['esm', 'cjs'],
    target: 'node20',
    platform: 'node',
    splitting: true, // index and harness share their state (ESM only; tests import ESM)
    // tsup sets `baseUrl`, which TypeScript 6 reports as deprecated. The harness is no export and
    // type-checks against its source (tsconfig `paths`), so only the index needs declarations.
    dts: { entry: { index: 'src/index.ts' }, compilerOptions: { ignoreDeprecations: '6.0' } },
    sourcemap: true,
    clean: ['!top.*'], // the next one's
    loader: { '.wasm': 'binary' },
    esbuildPlugins: [inlineServices()],
  },
  {
    // By itself: with a third entry the bundler's own helpers would be in a file apart, of whose import bundlers of users warn.
    name: 'serve-top',
    tsconfig: 'tsconfig.build.json',
    entry: { top: 'src/top.ts' },
    format: ['esm', 'cjs'],
    target: 'node20',
    platform: 'node',
    dts: { compilerOptions: { ignoreDeprecations: '6.0' } },
    sourcemap: true,
    clean: false,
  },
  {
    // Everything is bundled: it needs nothing of the library, which runs in another process.
    name: 'top',
    tsconfig: 'tsconfig.build.json',
    entry: ['top/main.ts'],
    outDir: 'top/dist',
    format: ['esm'],
    target: 'node20',
    platform: 'node',
    banner: {
      js: "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);",
    },
    clean: true,
    esbuildPlugins: [collectLicenses('top/dist/LICENSES.txt', [])],
  },
  {
    name: 'bench',
    tsconfig: 'tsconfig.build.json',
    // piscina starts its threads from a file of its own, `worker.js` beside the code that it is bundled into.
    entry: {
      main: 'bench/main.ts',
      roles: 'bench/roles.ts',
      visitor: 'bench/roles/churn/visitor.ts',
      document: 'bench/document.ts',
      worker: 'node_modules/piscina/dist/worker.js',
      picture: 'scripts/picture.ts',
      slowed: 'scripts/slowed.ts',
      'gate-selftest': 'scripts/gate-selftest.ts',
      'peer-process': 'bench/roles/peers/process.ts',
      'peer-thread': 'bench/roles/peers/thread.ts',
      'gate-probe': 'bench/gate/probe/main.ts',
    },
    outDir: 'bench/dist',
    format: ['esm'],
    target: 'node20',
    platform: 'node',
    splitting: true,
    sourcemap: true,
    clean: true,
    // Everything is bundled, so that the program runs where nothing but the package is installed. `pinfold` and `#harness` are the built
    // package, found through `exports` and `imports` of package.json at run time. (tsconfig.build.json: no `paths`, or they would be
    // bundled from source.) `@napi-rs/nice` is native and optional: piscina does without;
    // playwright-core is for `picture` alone, which is not published.
    external: ['pinfold', '#harness', '@napi-rs/nice', 'playwright-core'],
    shims: true, // `__dirname`, for CommonJS modules
    banner: {
      js: "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);",
    },
    esbuildPlugins: [inlinePage(), collectLicenses('bench/dist/LICENSES.txt', ['node_modules/uplot'])],
  },
  {
    // Its threads need files of their own to start from; Node 20 runs no TypeScript.
    name: 'storm',
    tsconfig: 'tsconfig.build.json',
    entry: ['main', 'worker', 'spawner', 'watch'].map((name) => `test/storm/${name}.ts`),
    outDir: 'test/storm/dist',
    format: ['esm'],
    target: 'node20',
    platform: 'node',
    splitting: true,
    sourcemap: true,
    clean: true,
    skipNodeModulesBundle: true, // and `#harness`, as for the bench
  },
  {
    // As the storm. The library's sources are bundled where a part drives them itself; whole caches are the built harness.
    name: 'proof',
    tsconfig: 'tsconfig.build.json',
    entry: ['test/proof/main.ts', 'test/proof/*/main.ts', 'test/proof/*/worker.ts', 'test/proof/*/child.ts'],
    outDir: 'test/proof/dist',
    format: ['esm'],
    target: 'node20',
    platform: 'node',
    splitting: true,
    sourcemap: true,
    clean: true,
    skipNodeModulesBundle: true,
  },
  // As the storm: `pinfold` is the built package, as for anyone who installs it.
  ...['btree', 'ranges', 'upload'].map((name) => ({
    name: `example ${name}`,
    tsconfig: 'tsconfig.build.json',
    entry: ['main', 'worker'].map((entry) => `examples/${name}/${entry}.ts`),
    outDir: `examples/${name}/dist`,
    format: ['esm' as const],
    target: 'node20' as const,
    platform: 'node' as const,
    splitting: true,
    sourcemap: true,
    clean: true,
    skipNodeModulesBundle: true,
  })),
  {
    name: 'example sqlite',
    tsconfig: 'tsconfig.build.json',
    entry: {
      main: 'examples/sqlite/main.ts',
      worker: 'examples/sqlite/worker.ts',
      victim: 'examples/sqlite/storm/victim.ts',
    },
    outDir: 'examples/sqlite/dist',
    format: ['esm'],
    target: 'node20',
    platform: 'node',
    splitting: true,
    sourcemap: true,
    clean: true,
    skipNodeModulesBundle: true,
  },
  {
    // Prints what can be counted; the kernel's text is lowered where the proof lowers it.
    name: 'counters',
    tsconfig: 'tsconfig.build.json',
    entry: ['test/counters/main.ts'],
    outDir: 'test/counters/dist',
    format: ['esm'],
    target: 'node20',
    platform: 'node',
    sourcemap: true,
    clean: true,
    skipNodeModulesBundle: true,
  },
]);
