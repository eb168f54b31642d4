// Files that a command leaves: refused before the work if they can't be written, and then written whole or not at all.
import fs from 'node:fs';
import path from 'node:path';
import { sync as writeFileAtomic } from 'write-file-atomic';
import { Refused } from './refused';

export interface Output {
  /** The option that names it, for messages. */
  option: string;
  path: string;
  /** Whether a file with this text is an earlier one of this kind, which is replaced. Anything else that exists is somebody's. */
  isOwn(text: string): boolean;
}

/** @throws Refused when the file can't be made there, or, without `force`, if what is there is not this bench's own */
export function refuseUnwritable({ option, path: file, isOwn }: Output, force: boolean): void {
  if (file === '') throw new Refused(`${option}: the path is empty`);
  const found = statOf(option, file);
  if (found?.isDirectory()) throw new Refused(`${option}: ${file} is a directory`);
  if (found !== undefined && !found.isFile()) throw new Refused(`${option}: ${file} is not a regular file`);
  if (found !== undefined && !force && !isOwnFile(file, isOwn)) {
    throw new Refused(`${option}: ${file} exists and is no report of this bench; --force overwrites it`);
  }
  // The file is written beside its place and renamed, so its directory is what has to allow it. Only an attempt tells.
  const directory = path.dirname(found === undefined ? file : fs.realpathSync(file));
  try {
    fs.rmdirSync(fs.mkdtempSync(path.join(directory, '.pinfold-bench-')));
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    throw new Refused(
      code === 'ENOENT'
        ? `${option}: there is no directory ${directory}`
        : `${option}: cannot write in ${directory}: ${message}`,
    );
  }
}

function statOf(option: string, file: string): fs.Stats | undefined {
  try {
    return fs.statSync(file, { throwIfNoEntry: false });
  } catch (cause) {
    throw new Refused(`${option}: cannot look at ${file}: ${(cause as Error).message}`);
  }
}

function isOwnFile(file: string, isOwn: Output['isOwn']): boolean {
  try {
    return isOwn(fs.readFileSync(file, 'utf8'));
  } catch {
    return false; // not readable: nobody can say that it is
  }
}

/** Under a temporary name, durably, then renamed: an earlier file stays whole until the new one is. Throws what the system refuses, and leaves nothing then. */
export function writeWhole(file: string, text: string): void {
  writeFileAtomic(file, text);
}

/** Whether `error`, or what caused it, says that the disk is full. Errors of worker threads come with their message alone. */
export function isDiskFull(error: unknown): boolean {
  for (let at = error, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth++) {
    if (/\b(ENOSPC|EDQUOT)\b/.test(`${(at as NodeJS.ErrnoException).code} ${at.message}`)) return true;
  }
  return false;
}
