// The script and the style sheet of the HTML report as text: `pinfold:page-script` and `pinfold:page-style` are modules whose
// default export is a bundle. For the build a plugin of esbuild; for tests of the sources the same as a plugin of Vite.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const PREFIX = 'pinfold:page-';
const entries: Record<string, string> = {
  'pinfold:page-script': 'bench/report/html/page/main.ts',
  'pinfold:page-style': 'bench/report/html/page/page.css',
};

/** The one package that the page has code of asks for its notice in every copy, so in every report. */
const LICENSE = `/* With uPlot, https://github.com/leeoniya/uPlot\n\n${readFileSync(join(root, 'node_modules/uplot/LICENSE'), 'utf8').trim()} */`;

async function bundled(entry: string) {
  const { outputFiles, metafile } = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    bundle: true,
    write: false,
    outdir: 'unwritten',
    metafile: true,
    platform: 'browser',
    format: 'iife',
    target: 'es2022',
    minify: true,
    charset: 'utf8',
    legalComments: 'none',
    banner: { js: LICENSE, css: LICENSE },
  });
  const text = outputFiles[0].text.trim();
  // It stands between tags, and no escape is known to both HTML and scripts.
  if (/<\/(script|style)|<!--/i.test(text)) throw new Error(`the bundle of ${entry} would end its element`);
  return {
    contents: `export default ${JSON.stringify(text)};`,
    inputs: Object.keys(metafile.inputs).map((input) => join(root, input)),
  };
}

export function inlinePage(): Plugin {
  return {
    name: 'inline-page',
    setup(esbuild) {
      esbuild.onResolve({ filter: /^pinfold:page-/ }, ({ path }) =>
        entries[path]
          ? { path, namespace: 'page' }
          : { errors: [{ text: `no part of the page named ${path}` }] },
      );
      esbuild.onLoad({ filter: /.*/, namespace: 'page' }, async ({ path }) => {
        const { contents, inputs } = await bundled(entries[path]);
        return { contents, loader: 'js', watchFiles: inputs };
      });
    },
  };
}

/** The part of Vite's plugin that is needed here. */
export function inlinePageForVite() {
  return {
    name: 'inline-page',
    resolveId: (id: string) => (id.startsWith(PREFIX) && entries[id] ? `\0${id}` : undefined),
    load: async (id: string) =>
      id.startsWith(`\0${PREFIX}`) ? (await bundled(entries[id.slice(1)])).contents : undefined,
  };
}
