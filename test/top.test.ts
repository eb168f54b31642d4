// `pinfold-top` and what it talks to: a cache that is served is shown, live or once, to people and to programs.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import type { PageCache } from 'pinfold';
import { type Snapshot, serveTop, type TopServer } from 'pinfold/top';
import { afterEach, describe, expect, test } from 'vitest';
import { SMALL, startWithFile } from './support/cache.ts';
import { testDirectory } from './support/directory.ts';
import { runProgram } from './support/program.ts';
import { refusal } from './support/refusal.ts';
import { root } from './support/root.ts';
import { until } from './support/until.ts';

const PROGRAM = join(root, 'top/dist/main.js');
const LIMIT_MS = 30_000;

const servers: TopServer[] = [];
const children: ChildProcess[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  for (const server of servers.splice(0)) await server.close();
});

async function served(cache: PageCache): Promise<string> {
  const path = join(testDirectory(), 'top.sock');
  servers.push(await serveTop(cache, path));
  return path;
}

interface Running {
  readonly child: ChildProcess;
  readonly out: () => string;
  readonly err: () => string;
  readonly ended: Promise<unknown[]>;
}

function start(command: string, args: string[], env: NodeJS.ProcessEnv = {}): Running {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...env } });
  children.push(child);
  let out = '';
  let err = '';
  child.stdout.on('data', (text) => {
    out += text;
  });
  child.stderr.on('data', (text) => {
    err += text;
  });
  return { child, out: () => out, err: () => err, ended: once(child, 'close') };
}

const top = (args: string[], env?: NodeJS.ProcessEnv) => start(process.execPath, [PROGRAM, ...args], env);

const hasScript = (() => {
  try {
    execFileSync('script', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

/** The program in a terminal of 100 columns and 30 rows. */
function inTerminal(args: string[], env: NodeJS.ProcessEnv = {}): Running {
  const command = [process.execPath, PROGRAM, ...args].map((word) => `'${word}'`).join(' ');
  return start('script', ['-qec', `stty cols 100 rows 30; exec ${command}`, '/dev/null'], {
    TERM: 'xterm',
    FORCE_COLOR: undefined,
    NO_COLOR: undefined,
    ...env,
  });
}

describe('serveTop', () => {
  test('sends a snapshot for each line, to several clients', { timeout: LIMIT_MS }, async () => {
    const { cache, file, path } = await startWithFile(4, { ...SMALL, trace: true });
    using _page = file.pinSync(2, 'write');
    const socket = await served(cache);
    expect(fs.statSync(socket).mode & 0o777).toBe(0o600);
    for (let client = 0; client < 2; client++) {
      const connection = net.connect(socket);
      connection.setEncoding('utf8');
      for (let n = 0; n < 2; n++) {
        connection.write('\n');
        let text = '';
        while (!text.endsWith('\n')) text += (await once(connection, 'data'))[0];
        const snapshot: Snapshot = JSON.parse(text);
        expect(snapshot).toMatchObject({ version: 1, pid: process.pid, pinnedPages: 1 });
        expect(snapshot.stats).toMatchObject({ writePins: 1, frames: cache.stats().frames });
        expect(snapshot.pinned).toMatchObject([{ file: path, index: 2, pins: [{ mode: 'write' }] }]);
        expect(snapshot.pinned[0]!.pins[0]!.stack).toContain('top.test.ts');
      }
      connection.destroy();
    }
  });

  test('replaces a socket that nobody serves, refuses one that somebody serves, removes its own', async () => {
    const { cache } = await startWithFile(1, SMALL);
    const path = join(testDirectory(), 'top.sock');
    const other = net.createServer();
    await new Promise<void>((resolve) => other.listen(path, resolve));
    await expect(serveTop(cache, path)).rejects.toThrow(refusal('ERR_PINFOLD_CONFLICT', path));
    await new Promise((resolve) => other.close(resolve));
    // A process that is killed leaves its socket.
    const killed = start(process.execPath, [
      '-e',
      `require('node:net').createServer().listen(${JSON.stringify(path)}, () => console.log('up'))`,
    ]);
    await until('it listens', () => killed.out() !== '');
    killed.child.kill('SIGKILL');
    await killed.ended;
    expect(fs.existsSync(path)).toBe(true);
    const server = await serveTop(cache, path);
    await server.close();
    await server.close();
    expect(fs.existsSync(path)).toBe(false);
    await expect(serveTop(cache, '')).rejects.toThrow(refusal('ERR_PINFOLD_ARGUMENT', '""'));
    await expect(serveTop(cache, '/nowhere/top.sock')).rejects.toThrow('/nowhere/top.sock');
  });

  test('keeps no process alive, and tells clients when the cache is closed', async () => {
    const directory = testDirectory();
    const topModule = new URL('../dist/top.js', import.meta.url).href;
    const end = await runProgram(
      `const { serveTop } = await import(${JSON.stringify(topModule)});
       const cache = await pinfold.PageCache.create({ memory: 256 * 1024 });
       await serveTop(cache, argument);
       await cache.close();
       const net = await import('node:net');
       const socket = net.connect(argument, () => socket.write('\\n'));
       for await (const text of socket) console.log(String(text).trim());`,
      join(directory, 'top.sock'),
    );
    expect(end).toMatchObject({ status: 0, stderr: '' });
    expect(JSON.parse(end.stdout)).toMatchObject({ error: expect.stringContaining('closed') });
  });
});

describe('pinfold-top', { timeout: LIMIT_MS }, () => {
  test('--once prints states, latencies and who pins, without colours where there is no terminal', async () => {
    const { cache, file, path } = await startWithFile(8, { ...SMALL, trace: true });
    file.writeSync(Uint8Array.of(1), 0);
    await file.fsync();
    file.writeSync(Uint8Array.of(1), 4096);
    using _page = file.pinSync(3, 'write');
    const socket = await served(cache);
    const once = top([socket, '--once', '--stacks']);
    expect(await once.ended).toEqual([0, null]);
    const text = once.out();
    expect(once.err()).toBe('');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that there are none
    expect(text).not.toMatch(/\x1b/);
    expect(text).toContain(`process ${process.pid}`);
    expect(text).toMatch(/pages +\d+ clean, 1 dirty/);
    expect(text).toMatch(/pins +0 read, 1 write, by \d+ threads/);
    expect(text).toMatch(/fsync +1 /);
    expect(text).toContain(`write page 3 of ${path} (clean), thread 0`);
    expect(text).toContain('top.test.ts');
    await file.fsync();
  });

  test('--json prints snapshots for programs, one a line', async () => {
    const { cache } = await startWithFile(1, SMALL);
    const socket = await served(cache);
    const once = top(['--json', '--once', socket]);
    await once.ended;
    expect(JSON.parse(once.out())).toMatchObject({ version: 1, stats: { frames: cache.stats().frames } });
    const more = top([socket, '--json', '--interval', '50']);
    await until('three came', () => more.out().split('\n').length > 3);
    more.child.kill('SIGINT');
    expect(await more.ended).toEqual([0, null]);
    for (const line of more.out().trim().split('\n')) JSON.parse(line);
  });

  test('shows rates and latencies since the snapshot before', async () => {
    const { cache, file } = await startWithFile(1, SMALL);
    const socket = await served(cache);
    const running = top([socket, '--interval', '50']);
    const work = setInterval(() => {
      file.writeSync(Uint8Array.of(1), 0);
      void file.fsync();
    }, 5);
    await until('an interval with fsyncs', () =>
      /last 0\.\d s[\s\S]*?\n.*\n *fsync +[1-9]/.test(running.out()),
    );
    clearInterval(work);
    expect(running.out()).toMatch(/rates .* hits \(\d+\.\d%\)/);
    running.child.kill('SIGTERM');
    expect(await running.ended).toEqual([0, null]);
    await file.fsync();
  });

  test.skipIf(!hasScript)(
    'in a terminal it redraws, cuts what has no room, and leaves it as it was',
    async () => {
      const { cache, file } = await startWithFile(60, SMALL);
      const pages = Array.from({ length: 40 }, (_, index) => file.pinSync(index));
      const socket = await served(cache);
      const running = inTerminal([socket, '--interval', '50']);
      await until('it has drawn twice', () => running.out().split('\x1b[H').length > 2);
      running.child.stdin!.write('q');
      expect(await running.ended).toEqual([0, null]);
      const out = running.out();
      expect(out.startsWith('\x1b[?1049h\x1b[?25l')).toBe(true);
      expect(out.trimEnd().endsWith('\x1b[?25h\x1b[?1049l')).toBe(true);
      const screen = out.split('\x1b[H')[2]!.split('\x1b[J')[0]!.split('\r\n');
      expect(screen.length).toBeLessThanOrEqual(30);
      expect(screen.at(-1)).toContain('…');
      expect(out).toContain('\x1b[1m'); // bold
      for (const line of screen) {
        // biome-ignore lint/suspicious/noControlCharactersInRegex: what takes no room
        expect(line.replace(/\x1b\[[\d;]*[A-Za-z]|\r/g, '').length).toBeLessThanOrEqual(100);
      }
      for (const page of pages) page.unpin();
    },
  );

  test.skipIf(!hasScript)('Ctrl-C ends it; NO_COLOR leaves colours out', async () => {
    const { cache } = await startWithFile(1, SMALL);
    const socket = await served(cache);
    const running = inTerminal([socket], { NO_COLOR: '1' });
    await until('it has drawn', () => running.out().includes('\x1b[J'));
    running.child.stdin!.write('\x03');
    expect(await running.ended).toEqual([0, null]);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are control characters
    expect(running.out()).not.toMatch(/\x1b\[\d+m/);
    expect(running.out().trimEnd().endsWith('\x1b[?25h\x1b[?1049l')).toBe(true);
  });

  test('says what is wrong: nobody serves, the cache is closed, bad arguments', async () => {
    const nobody = top([join(testDirectory(), 'none.sock'), '--once']);
    expect(await nobody.ended).toEqual([1, null]);
    expect(nobody.err()).toMatch(/^pinfold-top: no cache is served at '.*none\.sock'/);
    const { cache } = await startWithFile(1, SMALL);
    const socket = await served(cache);
    const running = top([socket, '--interval', '50']);
    await until('it shows something', () => running.out() !== '');
    await cache.close();
    expect(await running.ended).toEqual([1, null]);
    expect(running.err()).toContain('closed');
    for (const [args, named] of [
      [[], 'path'],
      [[socket, '--interval', 'soon'], 'soon'],
      [[socket, '--interval', '1'], 'from 50'],
      [[socket, '--frequently'], '--frequently'],
    ] as const) {
      const refused = top([...args]);
      expect(await refused.ended, args.join(' ')).toEqual([2, null]);
      expect(refused.err()).toContain(named);
      expect(refused.out()).toBe('');
    }
  });

  test('--help names every option, --version the package’s', async () => {
    const help = top(['--help']);
    expect(await help.ended).toEqual([0, null]);
    for (const name of ['<path>', '--interval', '--once', '--json', '--stacks', 'NO_COLOR', 'serveTop']) {
      expect(help.out()).toContain(name);
    }
    const version = top(['--version']);
    await version.ended;
    const { version: known } = JSON.parse(fs.readFileSync(join(root, 'package.json'), 'utf8'));
    expect(version.out().trim()).toBe(known);
  });
});
