// The third driver of the protocols: each effect a step of the machine.
import type { Answer, Effect, Protocol } from '../../../../src/protocol/effects';
import type { Disk } from './disk';

export class StepDriver {
  readonly #disk: Disk;
  readonly #owner: number;

  constructor(disk: Disk, owner: number) {
    this.#disk = disk;
    this.#owner = owner;
  }

  run<T>(protocol: Protocol<T>): T {
    let step = protocol.next();
    for (;;) {
      if (step.done) return step.value;
      if ((step.value as unknown) === machine.STOP) {
        machine.stop();
        step = protocol.next();
        continue;
      }
      let result: number | Answer;
      try {
        result = this.#perform(step.value);
      } catch (error) {
        step = protocol.throw(error);
        continue;
      }
      step = protocol.next(result as number & Answer);
    }
  }

  #perform(effect: Effect): number | Answer {
    if (effect.kind === 'ask') return this.run(effect.here());
    machine.mortal();
    if (effect.kind === 'wait') {
      Atomics.wait(machine.words, effect.at >> 2, effect.seq, effect.timeoutMs);
      return 0;
    }
    machine.say(`${effect.kind}${'position' in effect ? ` at ${effect.position}` : ''}`);
    const disk = this.#disk;
    disk.touch();
    let result = 0;
    if (effect.kind === 'read') result = machine.atomically(() => disk.read(effect.bytes, effect.position));
    else if (effect.kind === 'write') {
      result = machine.atomically(() => disk.write(effect.bytes, effect.position));
    } else if (effect.kind === 'resize') result = machine.atomically(() => disk.resize(effect.size));
    else if (effect.kind === 'flush') {
      const covered = machine.atomically(() => disk.beginFlush(this.#owner));
      machine.mortal();
      disk.touch();
      result = machine.atomically(() => disk.endFlush(covered));
    }
    machine.mortal(); // it has happened, and is not heard of
    return result;
  }
}
