// An esbuild plugin: `pinfold:service` and `pinfold:service-harness` are modules whose default export is the
// source of a service thread, run by `new Worker(source, { eval: true })`. Inlined source needs no file at
// run time, so a bundler above us has nothing to lose.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
interface Entry {
  file: string;
  out: string;
  minify: boolean;
}

const entries: Record<string, Entry> = {
  'pinfold:service': { file: 'src/service/main.ts', out: 'service.cjs', minify: true },
  'pinfold:service-harness': {
    file: 'src/service/main.harness.ts',
    out: 'harness-service.cjs',
    minify: false,
  },
};

/** V8 reports coverage of files only: a coverage build writes the thread's source to a file and requires it. */
const forCoverage = process.env.PINFOLD_COVERAGE === '1';

async function serviceSource({ file, out, minify }: Entry) {
  const outfile = join(root, 'dist', out);
  const result = await build({
    absWorkingDir: root,
    entryPoints: [file],
    outfile,
    bundle: true,
    write: forCoverage,
    metafile: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    minify: minify && !forCoverage,
    keepNames: true, // error and class names are part of what users see
    legalComments: 'none',
    sourcemap: forCoverage ? 'linked' : false,
    loader: { '.wasm': 'binary' },
  });
  const source = forCoverage ? `require(${JSON.stringify(outfile)});` : result.outputFiles?.[0]?.text;
  return { source, inputs: Object.keys(result.metafile.inputs).map((input) => join(root, input)) };
}

export function inlineServices(): Plugin {
  return {
    name: 'inline-services',
    setup(esbuild) {
      esbuild.onResolve({ filter: /^pinfold:/ }, ({ path }) =>
        entries[path] ? { path, namespace: 'service' } : { errors: [{ text: `no service named ${path}` }] },
      );
      esbuild.onLoad({ filter: /.*/, namespace: 'service' }, async ({ path }) => {
        const entry = entries[path];
        if (!entry) return;
        const { source, inputs } = await serviceSource(entry);
        return { contents: `export default ${JSON.stringify(source)};`, loader: 'js', watchFiles: inputs };
      });
    },
  };
}
