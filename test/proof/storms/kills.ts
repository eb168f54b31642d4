// Kills processes by SIGKILL at random moments, one after the other on the same files, and judges what each leaves.
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Random } from '../../storm/random.ts';
import { root } from '../../support/root.ts';
import type { ChildOptions, Plant } from './child.ts';
import { Expected } from './expected.ts';
import { FILES, type FileSpec, GENERATIONS_MAX, nameOf, PAGE, PLACES } from './files.ts';
import { type Message, type MessageType, PIPE, received } from './messages.ts';

const CHILD = join(root, 'test/proof/dist/storms/child.js');
/** Until everybody in a process is at work, ms: else it hangs. */
const START_MS = 20_000;
/** How long it is let live then, ms. */
const LIFE_MS = { least: 20, most: 300 };

/** Processes that live: none outlives this one. (If this one is killed, they see their pipe closed.) */
const living = new Set<ChildProcess>();
/** Directories of lanes that have not ended. */
const directories = new Set<string>();
process.on('exit', () => {
  for (const child of living) child.kill('SIGKILL');
  for (const directory of directories) fs.rmSync(directory, { recursive: true, force: true });
});

/** A process that is to be killed. */
export class Doomed {
  readonly child: ChildProcess;
  readonly #parts: Buffer[] = [];
  readonly #ended: Promise<void>;
  #errors = '';
  #heard: () => void = () => {};

  constructor(options: ChildOptions) {
    const stdio = ['pipe', 'ignore', 'pipe', 'pipe'] as const;
    this.child = spawn(process.execPath, [CHILD, JSON.stringify(options)], { stdio: [...stdio] });
    living.add(this.child);
    this.child.stderr!.on('data', (text) => {
      this.#errors += text;
    });
    this.child.stdio[PIPE]!.on('data', (part: Buffer) => {
      this.#parts.push(part);
      this.#heard();
    });
    this.#ended = new Promise((resolve) => {
      this.child.once('error', (error) => {
        this.#errors += error.stack;
      });
      this.child.once('close', () => {
        living.delete(this.child);
        resolve();
      });
    });
  }

  /** All that it has told so far. */
  get told(): Message[] {
    return [...received(Buffer.concat(this.#parts))];
  }

  /** Resolves when everybody in it is at work, or it has found something wrong. */
  async atWork(): Promise<void> {
    let limit: NodeJS.Timeout | undefined;
    const heard = new Promise<void>((resolve) => {
      this.#heard = () => {
        if (this.told.some(({ type }) => type === 'ready' || type === 'wrong')) resolve();
      };
    });
    const late = new Promise<void>((_, reject) => {
      limit = setTimeout(() => reject(new Error(`a process is not at work after ${START_MS} ms`)), START_MS);
    });
    const ended = this.#ended.then(() => {
      throw new Error(`a process has ended before it was at work: ${this.#errors}`);
    });
    ended.catch(() => {}); // heard of only while it is waited for
    try {
      await Promise.race([heard, late, ended]);
    } finally {
      clearTimeout(limit);
      this.#heard = () => {};
    }
  }

  /** Kills it: all that it has ever told. */
  async kill(): Promise<Message[]> {
    this.child.kill('SIGKILL');
    await this.#ended;
    return this.told;
  }
}

export interface KillCounts {
  kills: number;
  /** fsyncs that had returned and were told of. */
  synced: number;
  /** Kills when the size that the growing file was about to have was not promised yet; while pages were write-pinned. */
  whileResizing: number;
  whilePinned: number;
  /** Places of the files that were judged. */
  places: number;
}

export const noKills = (): KillCounts => ({
  kills: 0,
  synced: 0,
  whileResizing: 0,
  whilePinned: 0,
  places: 0,
});

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Processes that are killed one after the other on the same files: what each leaves is what the next begins with. */
export class Lane {
  readonly directory = fs.mkdtempSync(join(tmpdir(), 'pinfold-kills-'));
  readonly counts: KillCounts;
  readonly seed: number;
  readonly #pinnedDirty: 'keep' | 'redirty' | undefined;
  readonly #plant: Plant | undefined;
  readonly #random: Random;
  readonly #expected = FILES.map((file) => new Expected(file));
  #generation = 0;

  /** `pinnedDirty`: by turns unless named. */
  constructor(seed: number, counts: KillCounts, pinnedDirty?: 'keep' | 'redirty', plant?: Plant) {
    this.seed = seed;
    this.counts = counts;
    this.#pinnedDirty = pinnedDirty;
    this.#plant = plant;
    this.#random = new Random(seed);
    directories.add(this.directory);
    for (const file of FILES) {
      fs.writeFileSync(this.#pathOf(file), new Uint8Array(file.kind === 'grown' ? 0 : file.pages * PAGE));
    }
  }

  get generation(): number {
    return this.#generation;
  }

  /** Whether numbers are at their end. */
  get isOver(): boolean {
    return this.#generation >= GENERATIONS_MAX;
  }

  #pathOf(file: FileSpec): string {
    return join(this.directory, nameOf(file));
  }

  /** Lets a process live for a while and kills it: what is wrong then. */
  async kill(): Promise<string[]> {
    const generation = this.#generation++;
    const doomed = new Doomed({
      directory: this.directory,
      generation,
      seed: this.#random.below(2 ** 30),
      pinnedDirty: this.#pinnedDirty ?? (generation % 2 === 0 ? 'keep' : 'redirty'),
      plant: this.#plant,
    });
    let messages: Message[];
    try {
      await doomed.atWork();
      await pause(LIFE_MS.least + this.#random.below(LIFE_MS.most - LIFE_MS.least));
    } finally {
      messages = await doomed.kill();
    }
    this.#count(messages);
    const wrong = messages.flatMap(({ type, text }) => (type === 'wrong' ? [text] : []));
    for (const message of messages) this.#expected[message.file]?.hear(message);
    for (const expected of this.#expected) {
      const bytes = new Uint8Array(fs.readFileSync(this.#pathOf(expected.file)));
      wrong.push(...expected.judge(bytes, this.#generation));
    }
    return wrong;
  }

  #count(messages: readonly Message[]): void {
    const { counts } = this;
    const last = (...types: MessageType[]) => messages.findLast(({ type }) => types.includes(type));
    counts.kills++;
    counts.synced += messages.filter(({ type }) => type === 'synced').length;
    const resizing = messages.findLastIndex(({ type }) => type === 'resizing');
    const settled = messages.findLastIndex(
      ({ type, file }) => type === 'synced' && FILES[file]?.kind === 'grown',
    );
    if (resizing > settled) counts.whileResizing++;
    if ((last('pinned')?.size ?? 0) > 0) counts.whilePinned++;
    for (const { pages } of FILES) counts.places += pages * PLACES;
  }

  /** Its files stay, for people to look at. */
  keep(): void {
    directories.delete(this.directory);
  }

  end(): void {
    this.keep();
    fs.rmSync(this.directory, { recursive: true, force: true });
  }
}
