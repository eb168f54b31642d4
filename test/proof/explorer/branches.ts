// Branches of the lowered kernel that this process's explorer has taken: for who counts them later.
let known: Uint8Array | undefined;

export function note(branches: Uint8Array): void {
  known ??= new Uint8Array(branches.length);
  for (const [n, was] of branches.entries()) if (was !== 0) known[n] = 1;
}

/** One byte a branch: 1 if it was taken. */
export function taken(length: number): Uint8Array {
  return known ?? new Uint8Array(length);
}
