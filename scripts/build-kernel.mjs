// Compiles the AssemblyScript kernel to WebAssembly and checks what the rest of the project relies on:
// the memory is the only import, and nothing is written into it at instantiation (no data segments, no
// start function), because many threads instantiate these modules over one live shared memory.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';

const root = fileURLToPath(new URL('..', import.meta.url));
const stampFile = join(root, 'build/kernel/.stamp');

// The embedder supplies the memory, so its size is not known here: 1 page at least, 4 GiB at most.
// `abort=` turns a failed assert into `unreachable`: no import, and no message strings in the memory.
const common = [
  ...['--runtime', 'stub', '--importMemory', '--sharedMemory', '--noExportMemory'],
  ...['--initialMemory', '1', '--maximumMemory', '65536', '--use', 'abort=', '--enable', 'threads'],
];
// The explorer lowers control with wasm2js, which takes neither SIMD nor bulk memory.
const scalar = [
  ...['--disable', 'bulk-memory', '--disable', 'sign-extension', '--disable', 'nontrapping-f2i'],
  ...['--disable', 'simd'],
];
const control = 'src/kernel/control/index.ts';
const release = ['-O3', '--noAssert'];
const targets = [
  { out: 'kernel/control', source: control, flags: [...scalar, ...release] },
  { out: 'kernel/control.debug', source: control, flags: [...scalar, '-O2', '--debug'] },
  {
    out: 'kernel/bytes',
    source: 'src/kernel/bytes/index.ts',
    flags: ['--enable', 'bulk-memory', '--enable', 'simd', ...release],
  },
  // For the tests of what the kernel's sections rest on, which run on Node versions that the compiler may not run on.
  { out: 'facts/sections', source: 'test/facts/sections/index.ts', flags: [...scalar, ...release] },
];

/** Hash of everything the output depends on: sources, this script, the compiler's version. */
function inputsHash() {
  const hash = createHash('sha256');
  const compiler = createRequire(import.meta.url)('assemblyscript/package.json').version;
  hash.update(compiler).update(readFileSync(fileURLToPath(import.meta.url)));
  for (const directory of ['src/kernel', 'test/facts/sections']) {
    const sources = readdirSync(join(root, directory), { recursive: true })
      .filter((name) => name.endsWith('.ts'))
      .sort();
    for (const name of sources) {
      hash.update(`\0${name}\0`).update(readFileSync(join(root, directory, name)));
    }
  }
  return hash.digest('hex');
}

/** Ids of the sections of a module (a section: one id byte, a LEB128 length, the body). */
function sectionIds(bytes) {
  const ids = [];
  let at = 8; // after the magic number and the version
  while (at < bytes.length) {
    ids.push(bytes[at++]);
    let length = 0;
    let shift = 0;
    let byte;
    do {
      byte = bytes[at++];
      length |= (byte & 0x7f) << shift;
      shift += 7;
    } while (byte & 0x80);
    at += length;
  }
  return ids;
}

function verify(name, bytes) {
  const module = new WebAssembly.Module(bytes);
  const imports = WebAssembly.Module.imports(module).map((i) => `${i.module}.${i.name}`);
  if (imports.join() !== 'env.memory') throw new Error(`${name}: imports ${imports.join(', ') || 'nothing'}`);
  const ids = sectionIds(bytes);
  if (ids.includes(11))
    throw new Error(`${name}: has data segments (a string, a static array or an object literal?)`);
  if (ids.includes(8)) throw new Error(`${name}: has a start function (a global that is not a constant?)`);
}

async function compile({ out, source, flags }) {
  const wasm = join('build', `${out}.wasm`);
  const text = join('build', `${out}.wat`);
  const args = [source, '--baseDir', root, '--outFile', wasm, '--textFile', text, ...common, ...flags];
  const { error, stdout, stderr } = await asc.main(args);
  process.stdout.write(stdout.toString());
  process.stderr.write(stderr.toString()); // warnings too
  if (error) throw new Error(`${out}: ${error.message}`);
  const bytes = readFileSync(join(root, wasm));
  verify(out, bytes);
  console.log(`kernel: ${wasm} ${bytes.length} bytes`);
}

const hash = inputsHash();
const outputs = targets.flatMap(({ out }) => [`build/${out}.wasm`, `build/${out}.wat`]);
const current = existsSync(stampFile) && readFileSync(stampFile, 'utf8') === hash;
if (current && outputs.every((file) => existsSync(join(root, file)))) {
  console.log('kernel: unchanged');
} else {
  for (const file of outputs) mkdirSync(dirname(join(root, file)), { recursive: true });
  rmSync(stampFile, { force: true });
  try {
    for (const target of targets) await compile(target);
    writeFileSync(stampFile, hash);
  } catch (error) {
    console.error(`kernel: ${error.message}`);
    process.exitCode = 1;
  }
}
