import { LRUCache } from 'lru-cache';
import { describe, expect, test } from 'vitest';
import { createRandom } from '../bench/random.ts';
import { PEER_NAMES, PEERS, type PeerName } from '../bench/scenarios/replacement/policies/index.ts';

/** 'h' and 'm', an access each. Pages are the sequence's characters; blanks are for people. */
function outcome(name: PeerName, frames: number, sequence: string): string {
  const policy = PEERS[name](frames, 128);
  return [...sequence.replaceAll(' ', '')]
    .map((page) => (policy.touch(page.charCodeAt(0)) ? 'h' : 'm'))
    .join('');
}

describe('sequences worked out by hand', () => {
  test.each<[PeerName, number, string, string, string]>([
    ['LRU', 3, 'the one not touched for longest goes', 'abc a d b a', 'mmmhmmh'],
    ['CLOCK', 3, 'the hand passes a used page once', 'abc a d b a c d', 'mmmhmmhmm'],
    ['2Q', 4, 'a touch of a page that came in once does not keep it', 'abcd a e a', 'mmmmhmm'],
    ['2Q', 4, 'a page that comes back from the outs stays', 'abcde aa b fgc ab', 'mmmmm mh m mmm hh'],
    ['ARC', 2, 'the target follows the ghosts, both ways', 'ab a c b c a d a', 'mmhmmhmmh'],
    ['SIEVE', 3, 'the hand stays where it was', 'abc a de ad fg a e', 'mmmhmmhhmmhm'],
    [
      'S3-FIFO',
      10,
      'touched twice in the small queue, or remembered: main, which a scan leaves alone',
      '0123456789 00 1 q 0 1 1 2 ABCDEFGHIJKLMNOP 012',
      `${'m'.repeat(10)} hh h m h m h m ${'m'.repeat(16)} hhh`,
    ],
  ])('%s (%i frames): %s', (name, frames, _, sequence, expected) => {
    expect(outcome(name, frames, sequence)).toBe(expected.replaceAll(' ', ''));
  });
});

test('LRU does as the npm package lru-cache does', () => {
  const frames = 50;
  const peer = new LRUCache<number, true>({ max: frames });
  const policy = PEERS.LRU(frames, 200);
  const random = createRandom(7);
  for (let i = 0; i < 20_000; i++) {
    const page = Math.floor(random() * random() * 200);
    const hit = peer.get(page) === true;
    if (!hit) peer.set(page, true);
    expect(policy.touch(page)).toBe(hit);
  }
});

describe.each(PEER_NAMES)('%s', (name) => {
  test.each([1, 2, 3, 64])(
    'in %i frames keeps no more pages than that, and a page that was just touched',
    (frames) => {
      const policy = PEERS[name](frames, 1_000);
      const random = createRandom(11);
      for (let i = 0; i < 5_000; i++) {
        const page = Math.floor(random() * random() * 1_000);
        policy.touch(page);
        // SIEVE and S3-FIFO may take any page but the newest.
        expect(policy.touch(page)).toBe(true);
      }
      // As many hits as frames at the most, if each cached page is asked for once and none of the answers changes that: pages
      // that were not there push others out, so this counts from the newest.
      const fresh = PEERS[name](frames, 1_000);
      for (let page = 0; page < 1_000; page++) expect(fresh.touch(page)).toBe(false);
      let hits = 0;
      for (let page = 999; page >= 0; page--) if (fresh.touch(page)) hits++;
      expect(hits).toBeGreaterThan(0);
      expect(hits).toBeLessThanOrEqual(frames);
    },
  );

  test('hits everything that fits', () => {
    const policy = PEERS[name](64, 64);
    for (let page = 0; page < 64; page++) expect(policy.touch(page)).toBe(false);
    for (let round = 0; round < 5; round++) {
      for (let page = 0; page < 64; page++) expect(policy.touch(page)).toBe(true);
    }
  });
});
