// `using` compiled for the oldest line, run by this one; and as it is, where Node knows it. Exits non-zero if anything is off.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transformSync } from 'esbuild';

const root = fileURLToPath(new URL('../..', import.meta.url));
const PAGE = 4096;
const LIMIT_MS = 20_000;
/** The first line that parses `using`. */
const USING_LINE = 24;

const source = fs.readFileSync(join(root, 'test/support/using.ts'), 'utf8');
const line = Number(process.versions.node.split('.')[0]);
const targets = ['node20', ...(line >= USING_LINE ? ['esnext'] : [])];
const directory = fs.mkdtempSync(join(tmpdir(), 'pinfold-using-'));
try {
  fs.mkdirSync(join(directory, 'node_modules'));
  fs.symlinkSync(root, join(directory, 'node_modules/pinfold'), 'junction');
  for (const target of targets) {
    const data = join(directory, `${target}.data`);
    fs.writeFileSync(data, Buffer.alloc(2 * PAGE));
    const program = join(directory, `${target}.mjs`);
    const { code } = transformSync(source, { loader: 'ts', target });
    assert.equal(
      /\busing /.test(code.replace(/\/\/.*/g, '')),
      target === 'esnext',
      `what ${target} makes of it`,
    );
    fs.writeFileSync(program, code);
    const out = execFileSync(process.execPath, [program, data], { encoding: 'utf8', timeout: LIMIT_MS });
    assert.deepEqual(JSON.parse(out), { pins: 0, size: 2 * PAGE });
    assert.equal(fs.readFileSync(data)[PAGE], 0x75, 'closing the cache has synced');
  }
} finally {
  fs.rmSync(directory, { recursive: true, force: true });
}
console.log(`using, compiled for ${targets.join(' and ')}: ok on Node ${process.versions.node}`);
