// The second half: whole processes are killed. What they had acknowledged was told through a pipe, and what is in the file is
// looked at by another process: in turns over Pinfold and over plain `fs`, so that either rolls journals back.
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import { PageCache } from 'pinfold';
import { victimProgram } from '../programs.ts';
import { connect, shareDatabase } from '../vfs/share.ts';
import { audit, createBank } from './bank.ts';
import type { Control } from './controls.ts';
import type { VictimTask } from './victim.ts';
import { ACK_BYTES } from './writer.ts';

export interface KillsReport {
  readonly killed: number;
  readonly acknowledged: number;
  /** After how many kills a journal was there that had to be rolled back. */
  readonly journals: number;
  readonly problems: string[];
}

interface Options {
  readonly path: string;
  readonly kills: number;
  readonly control: Control | undefined;
  readonly say: (line: string) => void;
}

const WRITERS = 3;
/** How long a process lives after its first acknowledgement, at most, in ms. */
const LIFE_MS = 200;
/** No process needs so long for its first transaction, in ms. */
const STALL_MS = 40_000;
const SAY_EVERY = 20;

export async function kills({ path, kills, control, say }: Options): Promise<KillsReport> {
  const acked = new Map<number, number>();
  const problems: string[] = [];
  let killed = 0;
  let journals = 0;
  const acknowledged = () => [...acked.values()].reduce((total, seq) => total + seq, 0);

  await looking(path, false, (db) => {
    createBank(db);
    return [];
  });
  while (killed < kills && problems.length === 0) {
    const task = { path, first: killed * WRITERS, writers: WRITERS, control };
    problems.push(...(await oneProcess(task, acked)));
    killed++;
    if (isHot(`${path}-journal`)) journals++;
    problems.push(...(await looking(path, killed % 2 === 0, (db) => audit(db, acked, true))));
    if (killed % SAY_EVERY === 0) {
      say(`${killed} of ${kills} processes killed, ${acknowledged()} transactions acknowledged`);
    }
  }
  return { killed, acknowledged: acknowledged(), journals, problems };
}

/** Runs a process until shortly after its first acknowledgement; `acked` has what it told, up to its death. */
async function oneProcess(task: VictimTask, acked: Map<number, number>): Promise<string[]> {
  const child = spawn(process.execPath, [victimProgram, JSON.stringify(task)], {
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
  });
  let told = '';
  child.stderr?.on('data', (text) => {
    told += text;
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const first = firstAck(child, acked);
  const late = new Promise<'late'>((resolve) => setTimeout(resolve, STALL_MS, 'late').unref());
  const outcome = await Promise.race([first, late, ended]);
  if (outcome === 'ack') await pause(Math.random() * LIFE_MS);
  const wasThere = child.exitCode === null && child.signalCode === null;
  child.kill('SIGKILL');
  await ended; // and with it the pipe's end
  if (outcome === 'late') return ['a process hangs'];
  return wasThere && outcome === 'ack' ? [] : [`a process ended by itself: ${told.trim()}`];
}

/** Puts down what comes through the pipe, from now on; resolves with the first of it. */
function firstAck(child: ChildProcess, acked: Map<number, number>): Promise<'ack'> {
  let rest = Buffer.alloc(0);
  return new Promise((resolve) => {
    child.stdio[3]?.on('data', (bytes: Buffer) => {
      rest = Buffer.concat([rest, bytes]);
      for (; rest.length >= ACK_BYTES; rest = rest.subarray(ACK_BYTES)) {
        acked.set(rest.readInt32LE(0), rest.readInt32LE(4));
      }
      resolve('ack');
    });
  });
}

/** SQLite rolls a journal back that has something in it and does not begin with zeros. */
function isHot(journal: string): boolean {
  try {
    return (fs.readFileSync(journal)[0] ?? 0) !== 0;
  } catch {
    return false; // there is none
  }
}

/** Opens the database in this process, as the next one would, and looks at it. */
async function looking(
  path: string,
  plain: boolean,
  look: (db: Awaited<ReturnType<typeof connect>>) => string[],
): Promise<string[]> {
  const cache = plain ? undefined : await PageCache.create();
  try {
    const db = await connect(await shareDatabase(path, cache), cache);
    const problems = look(db);
    db.close();
    return problems;
  } catch (error) {
    return [(error as Error).message];
  } finally {
    await cache?.close();
  }
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
