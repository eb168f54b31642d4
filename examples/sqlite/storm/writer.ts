// A thread of the storm: writes, or reads, until it is ended from outside.
import fs from 'node:fs';
import { PageCache } from 'pinfold';
import { connect, type SharedDatabase } from '../vfs/share.ts';
import { glance, JOURNAL_MODES, WRITER_PRAGMAS, Writer } from './bank.ts';
import { type Control, vfsWithout } from './controls.ts';

/** Where a writer tells of what is committed: a word of its own in shared memory, or a pipe to another process. */
type Acks = Int32Array | { readonly pipe: number };

export interface StormTask {
  readonly role: 'writer' | 'reader';
  readonly shared: SharedDatabase;
  /** Who this is: no other of the storm has the same number. */
  readonly number: number;
  readonly acks: Acks;
  readonly control: Control | undefined;
}

/** How long a reader rests between two looks, in ms: it keeps writers out while it looks. */
const REST_MS = 10;

/** One acknowledgement in the pipe: the writer's number and the transaction's, 32 bits each. A pipe takes so few bytes whole. */
export const ACK_BYTES = 8;

/** Ends only by an error. A reader acknowledges its looks. */
export async function takePart({ role, shared, number, acks, control }: StormTask): Promise<never> {
  if (shared.cache === undefined) throw new Error('the storm is over a cache');
  const cache = PageCache.attach(shared.cache);
  const mode = JOURNAL_MODES[number % JOURNAL_MODES.length];
  const pragmas = [...WRITER_PRAGMAS, `journal_mode = ${mode}`];
  const db = await connect(
    shared,
    cache,
    role === 'writer' ? pragmas : ['cache_size = 8'],
    vfsWithout(control),
  );
  const writer = new Writer(db, number);
  for (let seq = 1; ; seq++) {
    if (role === 'writer') writer.write(seq);
    else look(glance(db));
    acknowledge(acks, number, seq);
  }
}

function look(problems: string[]): void {
  if (problems.length > 0) throw new Error(problems.join('; '));
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, REST_MS);
}

function acknowledge(acks: Acks, number: number, seq: number): void {
  if (acks instanceof Int32Array) Atomics.store(acks, number, seq);
  else fs.writeSync(acks.pipe, new Int32Array([number, seq]));
}
