/*
 * The control module: the only code that changes control words. Scalar, 32-bit atomics, no allocation, no data.
 *
 * The rules, which every function here keeps:
 *  1. A word that two threads may race on is accessed atomically. Plain loads and stores are for words that only their
 *     owner touches while it lives: pin slots, counters, OUT, open views.
 *  2. What a dead thread must not leave half done stands in one section: from the CAS that decides to the last store,
 *     straight line, no call and no loop. V8 ends a thread only at function entries and loop headers.
 *  3. A decision about a frame is one CAS of its state word. Its identity (file, index) changes only under CLAIMED, and
 *     CLAIMED excludes pins, so an identity read under a pin, a claim or a writeback stays true while that is held.
 *  4. DIRTY first, the dirty bits after it in the same section; a writeback clears the bit, then looks at DIRTY again.
 *  5. A sleeper reads the wake sequence, sets WAITERS by CAS, and sleeps on the sequence. A transition that could please
 *     it clears WAITERS in its CAS, moves the sequence and notifies all, in its section.
 *  6. No function waits. A spin is only for another's section (bucket and size sequences), which takes nanoseconds.
 */
export * from './dirty';
export {
  cutEnd,
  cutPublish,
  cutTakeBack,
  cutTry,
  fileClearFlag,
  fileOpen,
  fileRelease,
  fileResized,
  fileRetain,
  fileRetainForRequest,
  fileRetire,
  fileSetDescriptors,
  fileSetSize,
  fileSize,
  nextBusyFile,
} from './files';
export { cutOff, freeOrphans, nextPageBeyond, nextPageFrom } from './orphans';
export { countMiss, makeWritePin, pin, prepareWait, unpin, viewClose, viewOpen } from './pins';
export {
  declareDead,
  recoverBegin,
  recoverClaim,
  recoverCommit,
  recoverEnd,
  recoverPause,
  recoverPins,
  recoverPublish,
  recoverRequests,
  recoverUndone,
  recoverUpdate,
  recoverWritebacks,
} from './recovery';
export {
  answer,
  anyEnding,
  askFlush,
  attach,
  beCreator,
  bump,
  claimPath,
  claimStaging,
  collect,
  detach,
  leave,
  lookTry,
  post,
  releasePath,
  releaseStaging,
  ring,
  setLife,
  startAgain,
  startTry,
  take,
  takeFlushAsked,
  tick,
  withdraw,
} from './rows';
export { abandonClaim, countUnstable, evict, fillDone, install, lookup, reclaim } from './table';
export {
  dropUndoFrames,
  hold,
  keepUndoFrame,
  undoFrame,
  unhold,
  updateAbort,
  updateBegin,
  updateCommit,
  updateDepth,
  updates,
  updateOpen,
  updatePublish,
} from './update';
export { cleanable } from './words';
export {
  endWriteback,
  failWriteback,
  flushBegin,
  flushDone,
  flushFailed,
  flushFailing,
  flushRelease,
  flushTry,
  giveBack,
  needsFlush,
  noteError,
  recoverRound,
  redirtyUnstable,
  roundClose,
  roundEnd,
  roundLead,
  roundOutcome,
  roundYield,
  startWriteback,
  writebackOf,
} from './writeback';
