// An esbuild plugin: writes the licences of the packages that a bundle has code of into a file beside it, as they ask for.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Plugin } from 'esbuild';

/** `node_modules/a/node_modules/@b/c`: the innermost package of a path. */
const PACKAGE = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/;
const LICENSE = /^licen[cs]e/i;

/** `inlined`: directories of packages that come in as text, which esbuild does not tell of. */
export function collectLicenses(file: string, inlined: string[]): Plugin {
  return {
    name: 'collect-licenses',
    setup(esbuild) {
      esbuild.initialOptions.metafile = true;
      esbuild.onEnd(({ metafile, errors }) => {
        if (metafile === undefined || errors.length > 0) return;
        const packages = Object.keys(metafile.inputs).flatMap((input) => PACKAGE.exec(input)?.[0] ?? []);
        const texts = [...new Set([...packages, ...inlined])].sort().map(licenseOf);
        mkdirSync(dirname(file), { recursive: true });
        writeFileSync(file, texts.join('\n\n---\n\n'));
      });
    },
  };
}

/** What a package says of itself; a package without a licence may not be bundled. */
function licenseOf(directory: string): string {
  const { name, version, license } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'));
  const text = readdirSync(directory).find((entry) => LICENSE.test(entry));
  if (text === undefined && license === undefined) throw new Error(`${name} says of no licence`);
  const full = text === undefined ? '' : readFileSync(join(directory, text), 'utf8');
  return `${name} ${version} (${license})\n\n${full.trim()}`.trim();
}
