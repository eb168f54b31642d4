const TIMEOUTS = new Set(['ERR_PINFOLD_PIN_TIMEOUT', 'ERR_PINFOLD_TIMEOUT']);

/** Whether fsync gave up waiting, for a pin or for anything else. Such a call promised nothing. */
export function isTimeout(error: unknown): error is Error {
  return error instanceof Error && TIMEOUTS.has((error as { code?: string }).code ?? '');
}
