// Small sections of the shapes that the control kernel's have, each over one line of shared memory: what
// terminate-sections.mjs ends threads in. AssemblyScript, compiled by scripts/build-kernel.mjs with the flags of the
// shipped module. A call adds one to FIRST, PLAIN, MIDDLE and LAST, in that order: if they differ it was cut in two.

const FIRST: usize = 0;
const PLAIN: usize = 4;
const MIDDLE: usize = 8;
const LAST: usize = 12;
/** Every second call of `conditional` adds one. */
const SECOND: usize = 16;
const WAKE: usize = 20;
const SCRATCH: usize = 24;

// @ts-ignore: decorator
@inline function addPlain(at: usize): void {
  store<i32>(at, load<i32>(at, PLAIN) + 1, PLAIN);
}

// @ts-ignore: decorator
@inline function wake(at: usize): void {
  atomic.add<i32>(at, 1, WAKE);
  atomic.notify(at + WAKE, -1);
}

/** Read-modify-writes and a plain store. */
export function straight(at: usize): void {
  atomic.add<i32>(at, 1, FIRST);
  addPlain(at);
  atomic.add<i32>(at, 1, MIDDLE);
  atomic.add<i32>(at, 1, LAST);
}

/** With branches forward. */
export function conditional(at: usize): void {
  const n = atomic.add<i32>(at, 1, FIRST);
  if (n & 1) atomic.add<i32>(at, 1, SECOND);
  addPlain(at);
  if (n & 2) store<i32>(at, n, SCRATCH);
  else atomic.store<i32>(at, ~n, SCRATCH);
  atomic.add<i32>(at, 1, MIDDLE);
  atomic.add<i32>(at, 1, LAST);
}

/** With a call out of WebAssembly: notify is one of V8's own functions. */
export function notifying(at: usize): void {
  atomic.add<i32>(at, 1, FIRST);
  addPlain(at);
  wake(at);
  atomic.add<i32>(at, 1, MIDDLE);
  atomic.add<i32>(at, 1, LAST);
}

/** As most of the kernel's: it begins with the compare-and-swap that ends a loop. */
export function afterCas(at: usize): void {
  while (true) {
    const n = atomic.load<i32>(at, FIRST);
    if (atomic.cmpxchg<i32>(at, n, n + 1, FIRST) == n) {
      addPlain(at);
      atomic.add<i32>(at, 1, MIDDLE);
      if (n & 1) wake(at);
      atomic.add<i32>(at, 1, LAST);
      return;
    }
  }
}

/** The control: no straight line. */
export function looped(at: usize): void {
  atomic.add<i32>(at, 1, FIRST);
  addPlain(at);
  for (let n = 0; n < 64; n++) atomic.add<i32>(at, n, SCRATCH);
  atomic.add<i32>(at, 1, MIDDLE);
  atomic.add<i32>(at, 1, LAST);
}
