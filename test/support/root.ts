// Where the project is, from a source as well as from a bundle of it.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The project's directory, with a slash at its end. */
export const root = directoryOf('package.json');

function directoryOf(file: string): string {
  for (let at = new URL('./', import.meta.url); ; at = new URL('../', at)) {
    if (existsSync(new URL(file, at))) return fileURLToPath(at);
    if (at.pathname === '/') throw new Error(`no ${file} above ${import.meta.url}`);
  }
}
