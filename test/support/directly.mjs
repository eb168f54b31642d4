// Has all files opened with `direct` that do not say otherwise: in this thread, and in those that it starts for tests.
import { PageCache } from '../../dist/index.js';

const WORD = 'PINFOLD_TEST_DIRECT';

/** From here on, in this thread and in threads that it starts. */
export function openDirectly() {
  process.env[WORD] = '1';
  const { open, openSync } = PageCache.prototype;
  PageCache.prototype.open = function (path, options) {
    return open.call(this, path, directOf(options));
  };
  PageCache.prototype.openSync = function (path, options) {
    return openSync.call(this, path, directOf(options));
  };
}

/** In a thread that a test has started. */
export function openAsTest() {
  if (process.env[WORD]) openDirectly();
}

/** What is no proper options stays as it is: it is to be refused. */
function directOf(options) {
  const usual = options === undefined || Object.getPrototypeOf(options ?? 0) === Object.prototype;
  return usual ? { direct: true, ...options } : options;
}
