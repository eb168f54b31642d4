// Traces from files, by `--trace`.
import fs from 'node:fs';
import { basename } from 'node:path';
import { sharedAccesses, type Trace } from './trace';

/** What a header may call the column with the page. */
const PAGE_COLUMNS = ['page', 'block', 'lba', 'key', 'id', 'obj_id'];
const CHUNK_BYTES = 1 << 20;
const SEPARATOR = /\s*[,;\t]\s*|\s+/;

/** The message names the file and the line. */
export class BadTrace extends Error {}

/**
 * Reads a trace: one access a line, `page` or `time,page[,…]`, further columns unread (sizes and operations among them: an
 * access touches one page). Separated by commas, semicolons or blanks. A header may say which column the page is. Empty lines
 * and those that begin with # are skipped. Pages are whole numbers below 2 ** 53; the footprint is how many there are.
 * @throws BadTrace
 */
export function readTrace(path: string): Trace {
  const numbers = new Map<number, number>();
  let accesses = new Int32Array(1 << 16);
  let count = 0;
  let column: number | undefined;
  let line = 0;
  const fail = (what: string): never => {
    throw new BadTrace(`${path}, line ${line}: ${what}`);
  };
  for (const text of linesOf(path)) {
    line++;
    const trimmed = text.trim();
    if (trimmed === '' || trimmed.startsWith('#')) continue;
    const fields = trimmed.split(SEPARATOR);
    if (column === undefined) {
      const named = pageColumn(fields);
      if (named !== undefined) {
        if (named < 0)
          fail(`a header without a page; it names ${fields.join(', ')}, not ${PAGE_COLUMNS.join(', ')}`);
        column = named;
        continue;
      }
      column = fields.length === 1 ? 0 : 1;
    }
    const field = fields[column];
    if (field === undefined) fail(`column ${column + 1} is missing in '${trimmed}'`);
    const page = pageNumber(field!);
    if (page === undefined) fail(`'${field}' is no page: a whole number from 0 to 2^53 - 1`);
    let number = numbers.get(page!);
    if (number === undefined) {
      number = numbers.size;
      numbers.set(page!, number);
    }
    if (count === accesses.length) {
      const longer = new Int32Array(count * 2);
      longer.set(accesses);
      accesses = longer;
    }
    accesses[count++] = number;
  }
  if (count === 0) throw new BadTrace(`${path} holds no accesses`);
  const shared = sharedAccesses(count);
  shared.set(accesses.subarray(0, count));
  return { name: basename(path), accesses: shared, pages: numbers.size, footprint: numbers.size };
}

/** Undefined if it is no header; −1 if it is one that names no page. */
function pageColumn(fields: string[]): number | undefined {
  if (fields.some((field) => /^[+-]?[\d.]/.test(field))) return undefined;
  const names = fields.map((field) => field.toLowerCase().replace(/^"|"$/g, ''));
  return names.findIndex((name) => PAGE_COLUMNS.includes(name));
}

function pageNumber(field: string): number | undefined {
  const page = Number(field);
  return /^\d+$/.test(field) && Number.isSafeInteger(page) ? page : undefined;
}

function* linesOf(path: string): Generator<string> {
  let fd: number;
  try {
    fd = fs.openSync(path, 'r');
  } catch (error) {
    throw new BadTrace(`${path} could not be read: ${(error as Error).message}`);
  }
  try {
    const chunk = Buffer.alloc(CHUNK_BYTES);
    let rest = '';
    for (;;) {
      let bytes: number;
      try {
        bytes = fs.readSync(fd, chunk);
      } catch (error) {
        throw new BadTrace(`${path} could not be read: ${(error as Error).message}`);
      }
      if (bytes === 0) break;
      // Latin-1: what is no number is only shown.
      const lines = (rest + chunk.toString('latin1', 0, bytes)).split('\n');
      rest = lines.pop()!;
      yield* lines;
    }
    if (rest !== '') yield rest;
  } finally {
    fs.closeSync(fd);
  }
}
