// What an error of this library looks like: its code, and what its message names.
import type { PinfoldErrorCode } from 'pinfold';
import { expect } from 'vitest';

/** Matches an error with this code whose message has each of `named` in it. */
export function refusal(code: PinfoldErrorCode, ...named: string[]): Error {
  const message = named.map((part) => expect.stringContaining(part));
  return expect.toSatisfy((error: unknown) => {
    if (!(error instanceof Error)) return false;
    expect.soft(error).toHaveProperty('code', code);
    for (const part of message) expect.soft(error.message).toEqual(part);
    return true;
  }) as Error;
}

/** Matches an ERR_PINFOLD_IO that was caused by this error of the system. */
export function ioRefusal(cause: string, ...named: string[]): Error {
  return expect.toSatisfy((error: unknown) => {
    expect.soft(error).toEqual(refusal('ERR_PINFOLD_IO', ...named));
    expect.soft((error as Error).cause).toHaveProperty('code', cause);
    return true;
  }) as Error;
}
