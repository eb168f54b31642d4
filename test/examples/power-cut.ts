// What a disk may have of a file when power is lost at some moment of a log of `write-log.cjs`: all that a flush has covered, and of
// what came after it any part, down to single sectors.
import fs from 'node:fs';

const SECTOR = 512;

interface Line {
  readonly id?: string;
  readonly kind: 'write' | 'resize' | 'flush' | 'ended' | 'told';
  readonly position?: number;
  readonly data?: string;
  readonly size?: number;
  readonly text?: string;
}

export class WriteLog {
  readonly lines: readonly Line[];

  constructor(path: string) {
    this.lines = fs
      .readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Line);
  }

  /** What had been told before that line. */
  toldBefore(end: number): string[] {
    return this.lines.slice(0, end).flatMap(({ kind, text }) => (kind === 'told' ? [text!.trim()] : []));
  }

  /** One file that power lost before line `end` may leave. `believesFlushes`: false for a disk that lies. */
  fileAt(end: number, random: () => number, believesFlushes = true): Buffer {
    const covered = believesFlushes ? this.#coveredBefore(end) : new Set<string>();
    let file = Buffer.alloc(0);
    const resize = (size: number) => {
      file = Buffer.concat([file, Buffer.alloc(Math.max(0, size - file.length))]).subarray(0, size);
    };
    for (const { id, kind, position, data, size } of this.lines.slice(0, end)) {
      const luck = covered.has(id!) ? 1 : random();
      if (kind === 'resize' && luck > 0.5) resize(size!);
      if (kind !== 'write' || luck < 1 / 3) continue;
      const bytes = Buffer.from(data!, 'base64');
      for (let at = 0; at < bytes.length; at += SECTOR) {
        if (luck < 2 / 3 && random() < 0.5) continue;
        const sector = bytes.subarray(at, at + SECTOR);
        if (position! + at + sector.length > file.length) resize(position! + at + sector.length);
        sector.copy(file, position! + at);
      }
    }
    return file;
  }

  /** The calls that had ended before a flush began that ended before line `end`. */
  #coveredBefore(end: number): Set<string> {
    const covered = new Set<string>();
    const endedWhenFlushBegan = new Map<string, string[]>();
    const ended: string[] = [];
    for (const { id, kind } of this.lines.slice(0, end)) {
      if (kind === 'flush') endedWhenFlushBegan.set(id!, [...ended]);
      if (kind !== 'ended') continue;
      ended.push(id!);
      for (const each of endedWhenFlushBegan.get(id!) ?? []) covered.add(each);
    }
    return covered;
  }
}
