// Where V8 may end a thread that runs the kernel: at the entry of a function and at the header of a loop, nowhere else.
// This puts a counter at each of these points, so that a test can end a thread at the n-th of them.
import binaryen from 'binaryen';

/** How many points may be passed before one of them traps. A module with points exports it. */
export const FUEL = 'fuel';

const POINT = `
  (global $${FUEL} (mut i32) (i32.const 2147483647))
  (export "${FUEL}" (global $${FUEL}))
  (func $point
    (global.set $${FUEL} (i32.sub (global.get $${FUEL}) (i32.const 1)))
    (if (i32.eqz (global.get $${FUEL})) (then (unreachable))))
)`;

/** The module with a counter at each point where V8 may end a thread that runs it. */
export function withPoints(wasm: Uint8Array): Uint8Array {
  const original = binaryen.readBinary(wasm);
  const text = original.emitText();
  original.dispose();
  const lines: string[] = [];
  let entry = false;
  for (const line of text.trimEnd().split('\n')) {
    // Behind the header of a function, and the locals that follow it.
    if (entry && !line.startsWith('  (local ')) {
      lines.push('  (call $point)');
      entry = false;
    }
    lines.push(line);
    if (line.startsWith(' (func ')) entry = true;
    if (/^ *\(loop \$\S+( \(result i32\))?$/.test(line)) lines.push('(call $point)');
    else if (line.includes('(loop ')) throw new Error(`a loop that is not understood: ${line}`);
  }
  if (lines.pop() !== ')') throw new Error('no end of the module');
  const module = binaryen.parseText(lines.join('\n') + POINT);
  try {
    module.setFeatures(binaryen.Features.Atomics | binaryen.Features.MutableGlobals);
    if (!module.validate()) throw new Error('the module with points is not valid');
    return module.emitBinary();
  } finally {
    module.dispose();
  }
}
