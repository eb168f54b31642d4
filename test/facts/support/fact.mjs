// What a program of facts is made of: one line for each fact, and an exit code that tells whether all of them hold.

/** Ten times what the longest takes on an idle machine. */
const LIMIT_MS = 45_000;

/** Whether the OS tells of threads in /proc. */
const hasProc = process.platform === 'linux';

/**
 * Checks a fact and prints how that went. `check` returns the figures to print, or throws what does not hold. It must not
 * block this thread for longer than the limit: what hangs here is ended by whoever runs the program.
 */
export async function fact(name, check) {
  const started = performance.now();
  const timer = setTimeout(() => {
    console.log(`FAIL ${name}: not done within ${LIMIT_MS} ms`);
    process.exit(1); // threads and calls that don't end would keep the process
  }, LIMIT_MS);
  try {
    const figures = await check();
    const duration_ms = Math.round(performance.now() - started);
    console.log(`ok ${name} (${[figures, `${duration_ms} ms`].filter(Boolean).join('; ')})`);
  } catch (error) {
    console.log(`FAIL ${name}: ${error.code === 'ERR_ASSERTION' ? error.message : error.stack}`);
    process.exitCode = 1;
  } finally {
    clearTimeout(timer);
  }
}

/** As `fact`, for one that /proc is needed for: elsewhere it prints that it was not checked. */
export async function factOfProc(name, check) {
  if (hasProc) await fact(name, check);
  else console.log(`skip ${name}: no /proc on ${process.platform}`);
}
