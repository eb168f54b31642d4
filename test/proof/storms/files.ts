// The files that processes are killed over, and what stands in them. Every place tells what it is: a record carries where
// it belongs, its number and a check of itself; a device's word carries its page and its number.
import { inspectRecord, keyOf } from '../../storm/record.ts';

export const PAGE = 4096;
/** A place: a record, or a quarter of a page that a device stores. */
export const PLACE = 1024;
export const PLACES = PAGE / PLACE;

/** Updated by all threads; half updates, half a device's under write pins; written, cut and extended by one thread. */
type Kind = 'hot' | 'device' | 'grown';

export interface FileSpec {
  readonly kind: Kind;
  readonly number: number;
  /** That it has, or may have at most. */
  readonly pages: number;
}

export const FILES: readonly FileSpec[] = [
  { kind: 'hot', number: 0, pages: 40 },
  { kind: 'device', number: 1, pages: 12 },
  { kind: 'grown', number: 2, pages: 40 },
];

export const nameOf = ({ kind }: FileSpec) => `${kind}.data`;

/** The first place of a page that its device stores; it has all from there on. */
export const DEVICE_FROM = 2;

export const isDevices = ({ kind }: FileSpec, place: number) =>
  kind === 'device' && place % PLACES >= DEVICE_FROM;

/** Of place `place` of the file, counted from its start. */
export const keyAt = ({ number }: FileSpec, place: number) =>
  keyOf(number, Math.floor(place / PLACES), place % PLACES);

/** No process lives long enough to give more numbers. */
const NUMBERS = 200_000;
/** Numbers of one process are greater than those of all before it. */
export const firstNumber = (generation: number) => generation * NUMBERS + 1;
/** Kills in a row on the same files at most: a device's words have no room for more numbers. */
export const GENERATIONS_MAX = Math.floor(2 ** 28 / NUMBERS) - 1;

/** What a device stores everywhere in its part of a page: never 0. Its pages are fewer than 16. */
export const deviceWord = (page: number, number: number) => ((number << 4) | (page + 1)) >>> 0;

/** The number of a device's word; 0 if none was ever stored, −1 if it is of another page. */
function numberOfWord(word: number, page: number): number {
  if (word === 0) return 0;
  return (word & 15) === page + 1 ? word >>> 4 : -1;
}

/**
 * The number at a place: 0 if nothing was ever there, −1 if it is half there or another's. A device's stores may mix: it is
 * as old as its oldest word.
 */
export function numberAt(file: FileSpec, place: number, part: Uint8Array): number {
  if (!isDevices(file, place)) return inspectRecord(part, keyAt(file, place));
  const page = Math.floor(place / PLACES);
  const words = new Uint32Array(part.buffer, part.byteOffset, part.length >> 2);
  return words.reduce((least, word) => Math.min(least, numberOfWord(word, page)), Number.POSITIVE_INFINITY);
}
