// The sections of the control kernel: what each one does, from the operation that decides to its last store.
import {
  add,
  and,
  cas,
  keep,
  type Lone,
  load,
  maybe,
  notify,
  or,
  type Part,
  remember,
  type Section,
  type Step,
  store,
  storeAtPlace,
  sub,
  xchg,
} from './sections.ts';

const gauges: Step[] = [keep('GAUGE_DIRTY'), keep('GAUGE_PINNED_DIRTY'), keep('GAUGE_WRITEBACK')];

/** Each bit is looked at after the deciding operation, even if DIRTY was set before. Lowest level first. */
const dirtyBits: Part['maybe'] = [
  load('DIRTY_BITS'),
  maybe(or('DIRTY_BITS')),
  load('FILE_GROUPS'),
  maybe(or('FILE_GROUPS')),
  load('FILE_SUMMARY'),
  maybe(or('FILE_SUMMARY')),
];
const noteDirtied: Part['maybe'] = [
  ...dirtyBits,
  maybe(load('HEADER_CLOCK'), store('FRAME_DIRTIED_AT'), keep('COUNT_DIRTIED')),
];
const wakeFrame = maybe(add('FRAME_WAKE'), notify('FRAME_WAKE'));
const wakeFile: Step[] = [add('FILE_WAKE'), notify('FILE_WAKE')];

const answered: Section['steps'] = [
  store('REQUEST_RESULT'),
  store('REQUEST_RESULT_B'),
  store('REQUEST_A'),
  store('REQUEST_B'),
  store('REQUEST_SERVER'),
  store('REQUEST_STATE'),
  add('ROW_WAKE'),
  notify('ROW_WAKE'),
];

const updating: Step[] = [
  keep('FRAME_UPDATER'), // plain: read behind an odd useq, stored later
  keep('UPDATE_SLOT'),
  keep('UPDATE_CUT_SEQ'),
  keep('UPDATE_STAGE'),
  remember,
];
/** The pin under the update goes with it. */
const updateEnd: Step[] = [keep('ROW_PINS'), remember, keep('UPDATE_STAGE'), remember, ...gauges, wakeFrame];

export const sections: Section[] = [
  {
    name: 'pin',
    source: 'pins.ts:pin',
    functions: ['pin'],
    steps: [cas('FRAME_STATE'), keep('ROW_PINS'), remember],
  },
  {
    name: 'makeWritePin',
    source: 'pins.ts:makeWritePin',
    functions: ['makeWritePin'],
    steps: [cas('FRAME_STATE'), keep('ROW_PINS'), ...gauges, maybe(...noteDirtied)],
  },
  {
    name: 'unpin of a read pin',
    source: 'pins.ts:unpin',
    functions: ['unpin'],
    steps: [sub('FRAME_STATE'), keep('ROW_PINS'), remember],
  },
  {
    name: 'unpin of a write pin',
    source: 'pins.ts:unpin',
    functions: ['unpin'],
    steps: [cas('FRAME_STATE'), keep('ROW_PINS'), remember, ...gauges, maybe(...noteDirtied), wakeFrame],
  },
  {
    name: 'install',
    source: 'table.ts:install',
    functions: ['install'],
    steps: [
      cas('BUCKET_SEQ'),
      store('FRAME_INDEX'),
      store('FRAME_FILE'),
      add('GROUP_EPOCH'),
      storeAtPlace,
      add('FILE_RESIDENT'),
      keep('GAUGE_RESIDENT'),
      store('ROW_CLAIM_STAGE'),
      store('BUCKET_SEQ'),
    ],
  },
  {
    name: 'detachClaimOf',
    source: 'table.ts:detachClaimOf',
    functions: ['internal'],
    steps: [
      cas('BUCKET_SEQ'),
      maybe(storeAtPlace),
      maybe(and('FRAME_STATE'), sub('HEADER_ORPHANS')), // an orphan is out already
      store('FRAME_FILE'),
      store('FRAME_COVER'),
      and('UNSTABLE_BITS'),
      sub('FILE_RESIDENT'),
      keep('GAUGE_RESIDENT'),
      store('ROW_CLAIM_STAGE'),
      store('BUCKET_SEQ'),
    ],
  },
  {
    name: 'tryClaim',
    source: 'table.ts:tryClaim',
    functions: ['reclaim', 'evict'],
    steps: [cas('FRAME_STATE'), store('FRAME_CLAIMER'), store('ROW_CLAIM'), store('ROW_CLAIM_STAGE')],
  },
  {
    name: 'endClaimOf',
    source: 'table.ts:endClaimOf',
    functions: ['internal'],
    steps: [cas('FRAME_STATE'), store('ROW_CLAIM'), wakeFrame],
  },
  {
    name: 'startWriteback',
    source: 'writeback.ts:startWriteback',
    functions: ['startWriteback'],
    steps: [cas('FRAME_STATE'), store('ROW_WRITEBACKS'), store('FRAME_WRITER'), ...gauges],
  },
  {
    name: 'giveBackOf',
    source: 'writeback.ts:giveBackOf',
    functions: ['internal'],
    steps: [cas('FRAME_STATE'), ...dirtyBits, store('ROW_WRITEBACKS'), ...gauges, wakeFrame],
  },
  {
    name: 'endWriteback',
    source: 'writeback.ts:endWriteback',
    functions: ['endWriteback'],
    steps: [
      cas('FRAME_STATE'),
      maybe(...noteDirtied),
      store('ROW_WRITEBACKS'),
      ...gauges,
      keep('COUNT_WRITTEN'),
      maybe(keep('COUNT_BOUNCED')),
      wakeFrame,
    ],
  },
  {
    name: 'flushTry',
    source: 'writeback.ts:flushTry',
    functions: ['flushTry'],
    steps: [cas('FILE_FLUSH_LOCK'), store('ROW_FLUSH')],
  },
  {
    name: 'flushDone',
    source: 'writeback.ts:flushDone',
    functions: ['flushDone'],
    steps: [
      store('FILE_FLUSHED'),
      store('FILE_WRITES_FLUSHED'),
      store('ROW_FLUSH'),
      store('FILE_FLUSH_LOCK'),
      ...wakeFile,
    ],
  },
  {
    // Else a lock is held that no row tells of.
    name: 'flushRelease',
    source: 'writeback.ts:flushRelease',
    functions: ['flushRelease'],
    steps: [store('ROW_FLUSH'), store('FILE_FLUSH_LOCK'), ...wakeFile],
  },
  {
    name: 'flushFailed',
    source: 'writeback.ts:flushFailed',
    functions: ['flushFailed'],
    steps: [add('FILE_FAIL_SEQ'), store('ROW_FLUSH'), store('FILE_FLUSH_LOCK'), ...wakeFile],
  },
  {
    name: 'redirtyUnstable',
    source: 'writeback.ts:redirtyUnstable',
    functions: ['redirtyUnstable'],
    steps: [cas('FRAME_STATE'), ...noteDirtied, ...gauges],
  },
  {
    name: 'roundLead',
    source: 'writeback.ts:roundLead',
    functions: ['roundLead'],
    steps: [cas('FILE_ROUND_LEADER'), store('ROW_ROUND')],
  },
  {
    name: 'endRoundOf',
    source: 'writeback.ts:endRoundOf',
    functions: ['roundEnd', 'recoverRound'],
    steps: [
      store('RESULT_TICKET'),
      store('RESULT_ERRNO'),
      store('RESULT_PAGES'),
      store('RESULT_BOUNCED'),
      store('RESULT_FLUSHES'),
      store('RESULT_TICKET'),
      store('FILE_ROUND_DONE'),
      store('ROW_ROUND'),
      store('FILE_ROUND_LEADER'),
      ...wakeFile,
    ],
  },
  {
    // Else a lead is held that no row tells of.
    name: 'yieldRoundOf',
    source: 'writeback.ts:yieldRoundOf',
    functions: ['roundYield', 'recoverRound'],
    steps: [store('ROW_ROUND'), store('FILE_ROUND_LEADER'), ...wakeFile],
  },
  {
    // Else a row is STARTING, and nobody can tell whether its owner lives.
    name: 'attach',
    source: 'rows.ts:attach',
    functions: ['attach'],
    steps: [
      cas('ROW_STATUS'),
      remember,
      remember,
      store('ROW_KIND'),
      store('ROW_START_LO'),
      store('ROW_START_HI'),
      store('ROW_THREAD'),
      store('ROW_TID'),
    ],
  },
  {
    name: 'freeRow',
    source: 'rows.ts:freeRow',
    functions: ['attach', 'detach'],
    steps: [store('ROW_TID'), store('ROW_THREAD'), sub('ROW_STATUS')],
  },
  {
    // Else a file has a reference that nobody drops.
    name: 'dropAnswer',
    source: 'rows.ts:dropAnswer',
    functions: ['attach', 'recoverRequests'],
    steps: [store('REQUEST_STATE'), maybe(sub('FILE_REFS'))],
  },
  {
    name: 'take',
    source: 'rows.ts:take',
    functions: ['take'],
    steps: [cas('REQUEST_STATE'), store('REQUEST_SERVER'), and('ROW_PENDING')],
  },
  {
    // The reference to the file passes from the file worker to the request.
    name: 'answer to an open',
    source: 'rows.ts:answer',
    functions: ['answer'],
    steps: [
      store('ROW_OPENING'),
      store('HEADER_PATHS'),
      add('HEADER_PATHS_WAKE'),
      notify('HEADER_PATHS_WAKE'),
      ...answered,
    ],
  },
  {
    name: 'answer',
    source: 'rows.ts:answer',
    functions: ['answer'],
    steps: answered,
  },
  {
    name: 'collect',
    source: 'rows.ts:collect',
    functions: ['collect'],
    steps: [keep('ROW_FILES'), sub('FILE_REFS'), store('REQUEST_STATE')],
  },
  {
    name: 'forget',
    source: 'dirty.ts:forget',
    functions: ['dirtyFrames'],
    steps: [
      cas('FILE_CLEAR_SEQ'),
      and('FILE_GROUPS'),
      load('DIRTY_BITS'),
      maybe(load('GROUP_EPOCH')),
      maybe(or('FILE_GROUPS')),
      maybe(and('FILE_SUMMARY'), load('FILE_GROUPS'), maybe(or('FILE_SUMMARY'))),
      store('FILE_CLEAR_SEQ'),
    ],
  },
  {
    name: 'fileRetain',
    source: 'files.ts:fileRetain',
    functions: ['fileRetain'],
    steps: [cas('FILE_REFS'), keep('ROW_FILES')],
  },
  {
    name: 'fileRelease',
    source: 'files.ts:fileRelease',
    functions: ['fileRelease'],
    steps: [sub('FILE_REFS'), keep('ROW_FILES')],
  },
  {
    name: 'fileRetainForRequest',
    source: 'files.ts:fileRetainForRequest',
    functions: ['fileRetainForRequest'],
    steps: [cas('FILE_REFS'), store('ROW_OPENING')],
  },
  {
    name: 'fileOpen',
    source: 'files.ts:fileOpen',
    functions: ['fileOpen'],
    steps: [store('FILE_REFS'), store('ROW_OPENING')],
  },
  {
    name: 'fileSetDescriptors',
    source: 'files.ts:fileSetDescriptors',
    functions: ['fileSetDescriptors'],
    steps: [
      store('FILE_FD_READ'),
      store('FILE_FD_WRITE'),
      store('FILE_FD_DIRECT_READ'),
      store('FILE_FD_DIRECT_WRITE'),
    ],
  },
  {
    name: 'cutTry',
    source: 'files.ts:cutTry',
    functions: ['cutTry'],
    steps: [cas('FILE_CUT_LOCK'), store('ROW_CUT')],
  },
  {
    name: 'cutPublish',
    source: 'files.ts:cutPublish',
    functions: ['cutPublish'],
    steps: [
      cas('FILE_SIZE_SEQ'),
      store('ROW_CUT_TAIL'),
      store('FILE_CUT_LO'),
      store('FILE_CUT_HI'),
      store('FILE_SIZE_LO'),
      store('FILE_SIZE_HI'),
      add('FILE_CUT_SEQ'),
      store('FILE_SIZE_SEQ'),
    ],
  },
  {
    name: 'cutTakeBack',
    source: 'files.ts:cutTakeBack',
    functions: ['cutTakeBack'],
    steps: [cas('FILE_SIZE_SEQ'), store('FILE_SIZE_LO'), store('FILE_SIZE_HI'), store('FILE_SIZE_SEQ')],
  },
  {
    name: 'cutEnd',
    source: 'files.ts:cutEnd',
    functions: ['cutEnd'],
    steps: [
      add('FILE_CUT_SEQ'),
      store('ROW_CUT_TAIL'),
      store('ROW_CUT'),
      store('FILE_CUT_LOCK'),
      ...wakeFile,
    ],
  },
  {
    // A state of 0 lets a reclaimer in: all about the page is gone before.
    name: 'freeOrphan',
    source: 'orphans.ts:freeOrphan',
    functions: ['internal'],
    steps: [
      cas('FRAME_STATE'),
      store('FRAME_FILE'),
      store('FRAME_COVER'),
      and('UNSTABLE_BITS'),
      and('DIRTY_BITS'),
      sub('FILE_RESIDENT'),
      keep('GAUGE_RESIDENT'),
      ...gauges,
      sub('HEADER_ORPHANS'),
      add('FRAME_VERSION'),
      xchg('FRAME_STATE'),
      wakeFrame,
    ],
  },
  {
    name: 'cutOff',
    source: 'orphans.ts:cutOff',
    functions: ['cutOff'],
    steps: [cas('BUCKET_SEQ'), storeAtPlace, add('HEADER_ORPHANS'), or('FRAME_STATE'), store('BUCKET_SEQ')],
  },
  {
    name: 'undirty',
    source: 'orphans.ts:undirty',
    functions: ['cutOff'],
    steps: [cas('FRAME_STATE'), ...gauges, maybe(keep('COUNT_ORPHANS')), wakeFrame],
  },
  {
    name: 'keepUndoFrame',
    source: 'update.ts:keepUndoFrame',
    functions: ['keepUndoFrame'],
    steps: [keep('UPDATE_UNDO'), store('ROW_CLAIM'), add('FRAME_WAKE'), notify('FRAME_WAKE')],
  },
  {
    name: 'dropUndoFrames',
    source: 'update.ts:dropUndoFrames',
    functions: ['dropUndoFrames'],
    steps: [keep('UPDATE_UNDO'), xchg('FRAME_STATE'), wakeFrame],
  },
  {
    name: 'updateOpen',
    source: 'update.ts:updateOpen',
    functions: ['updateOpen'],
    steps: [cas('FRAME_STATE'), keep('ROW_PINS'), remember, ...updating],
  },
  {
    name: 'updateBegin',
    source: 'update.ts:updateBegin',
    functions: ['updateBegin'],
    steps: [cas('FRAME_STATE'), ...updating],
  },
  {
    // The odd useq tells others to look at the range and the undo frame.
    name: 'updatePublish',
    source: 'update.ts:updatePublish',
    functions: ['updatePublish'],
    steps: [
      keep('UPDATE_RANGE'),
      keep('UPDATE_SIZE_LO'),
      keep('UPDATE_SIZE_HI'),
      keep('UPDATE_STAGE'),
      store('FRAME_USEQ'),
    ],
  },
  {
    name: 'updateCommit',
    source: 'update.ts:updateCommit',
    functions: ['updateCommit'],
    steps: [cas('FRAME_STATE'), maybe(...noteDirtied), ...updateEnd],
  },
  {
    // The commit and the size that it raises.
    name: 'commitRaising',
    source: 'update.ts:commitRaising',
    functions: ['updateCommit'],
    steps: [
      cas('FILE_SIZE_SEQ'),
      store('FRAME_USEQ'),
      store('FILE_SIZE_LO'),
      store('FILE_SIZE_HI'),
      store('FILE_SIZE_SEQ'),
    ],
  },
  {
    name: 'updateAbort of what was published',
    source: 'update.ts:updateAbort',
    functions: ['updateAbort'],
    steps: [keep('UPDATE_STAGE'), store('FRAME_USEQ')],
  },
  {
    name: 'updateAbort',
    source: 'update.ts:updateAbort',
    functions: ['updateAbort'],
    steps: [cas('FRAME_STATE'), ...updateEnd],
  },
  {
    name: 'unhold',
    source: 'update.ts:unhold',
    functions: ['unhold'],
    steps: [cas('FRAME_STATE'), wakeFrame],
  },
  {
    name: 'recoverEnd',
    source: 'recovery.ts:recoverEnd',
    functions: ['recoverEnd'],
    steps: [store('ROW_TID'), store('ROW_THREAD'), sub('ROW_STATUS'), store('ROW_RECOVERER')],
  },
  {
    name: 'recoverUndone',
    source: 'recovery.ts:recoverUndone',
    functions: ['recoverUndone'],
    steps: [keep('UPDATE_STAGE'), store('FRAME_USEQ')],
  },
  {
    name: 'recoverPublish',
    source: 'recovery.ts:recoverPublish',
    functions: ['recoverPublish'],
    steps: [keep('UPDATE_RANGE'), keep('UPDATE_STAGE'), store('FRAME_USEQ')],
  },
  {
    name: 'recoverUpdate',
    source: 'recovery.ts:recoverUpdate',
    functions: ['recoverUpdate'],
    steps: [cas('FRAME_STATE'), maybe(...noteDirtied), keep('UPDATE_STAGE'), ...gauges, wakeFrame],
  },
  {
    name: 'dropPinOf',
    source: 'recovery.ts:dropPinOf',
    functions: ['internal'],
    steps: [cas('FRAME_STATE'), keep('ROW_PINS'), ...gauges, maybe(...noteDirtied), wakeFrame],
  },
  {
    name: 'recoverRequests: the reference',
    source: 'recovery.ts:recoverRequests',
    functions: ['recoverRequests'],
    steps: [store('ROW_OPENING'), sub('FILE_REFS')],
  },
  {
    name: 'recoverRequests: what it served',
    source: 'recovery.ts:recoverRequests',
    functions: ['recoverRequests'],
    steps: [store('REQUEST_SERVER'), or('ROW_PENDING'), store('REQUEST_STATE')],
  },
];

export const lones: Lone[] = [
  { functions: ['reclaim', 'viewOpen'], operation: cas('FRAME_STATE'), because: 'a use count, a hint' },
  { functions: ['prepareWait'], operation: cas('FRAME_STATE'), because: 'WAITERS may be set for nobody' },
  {
    functions: ['fileRetire'],
    operation: cas('FILE_REFS'),
    because: 'the file worker alone closes files',
  },
  {
    functions: ['fileRetire'],
    operation: store('FILE_REFS'),
    because: 'takes back what it has just decided: the file stays open, without a reference',
  },
  { functions: ['claimStaging'], operation: cas('HEADER_STAGING'), because: 'claim and journal in one word' },
  {
    functions: ['attach', 'recoverRequests'],
    operation: cas('REQUEST_STATE'),
    because: 'a request that nobody waits for is freed',
  },
  {
    functions: ['attach'],
    operation: keep('UPDATE_STAGE'),
    because: 'the last owner held nothing, and the row is not LIVE yet',
  },
  { functions: ['attach'], operation: keep('UPDATE_UNDO'), because: 'likewise' },
  { functions: ['setLife'], operation: cas('HEADER_LIFE'), because: 'the word is the whole of it' },
  { functions: ['claimPath'], operation: cas('HEADER_PATHS'), because: 'claim and journal in one word' },
  {
    functions: ['withdraw'],
    operation: cas('REQUEST_STATE'),
    because: 'a path area that is not given back is given back with the row',
  },
  {
    functions: ['post'],
    operation: store('REQUEST_STATE'),
    because: 'a request without its bit is served by nobody, and freed with the row',
  },
  { functions: ['lookTry'], operation: cas('HEADER_LOOKED'), because: 'a time: somebody else looks later' },
  {
    functions: ['startTry'],
    operation: cas('ROW_STARTED'),
    because: 'a time: somebody else starts one later',
  },
  { functions: ['declareDead'], operation: cas('ROW_STATUS'), because: 'a dead row waits for a recoverer' },
  {
    functions: ['recoverBegin'],
    operation: cas('ROW_STATUS'),
    because: 'a row RECOVERING of nobody waits for a recoverer',
  },
  {
    functions: ['recoverBegin'],
    operation: cas('ROW_RECOVERER'),
    because: 'who recovers is this word',
  },
  {
    functions: ['flushFailing'],
    operation: add('FILE_FAIL_SEQ'),
    because: 'the flush lock is held and journaled: who recovers it goes on from an odd failSeq',
  },
];
