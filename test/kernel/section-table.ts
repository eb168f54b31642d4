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
    name: 'detachClaim',
    source: 'table.ts:detachClaim',
    functions: ['detachClaim'],
    steps: [
      cas('BUCKET_SEQ'),
      storeAtPlace,
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
    name: 'endClaim',
    source: 'table.ts:endClaim',
    functions: ['reclaim', 'evict', 'fillDone', 'abandonClaim'],
    steps: [cas('FRAME_STATE'), store('ROW_CLAIM'), wakeFrame],
  },
  {
    name: 'startWriteback',
    source: 'writeback.ts:startWriteback',
    functions: ['startWriteback'],
    steps: [cas('FRAME_STATE'), store('ROW_WRITEBACKS'), store('FRAME_WRITER'), ...gauges],
  },
  {
    name: 'giveBack',
    source: 'writeback.ts:giveBack',
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
    name: 'roundEnd',
    source: 'writeback.ts:roundEnd',
    functions: ['roundEnd'],
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
    name: 'roundYield',
    source: 'writeback.ts:roundYield',
    functions: ['roundYield'],
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
      store('ROW_TID'),
      store('ROW_START_LO'),
      store('ROW_START_HI'),
      store('ROW_THREAD'),
    ],
  },
  {
    name: 'take',
    source: 'rows.ts:take',
    functions: ['take'],
    steps: [cas('REQUEST_STATE'), store('REQUEST_SERVER'), and('ROW_PENDING')],
  },
  {
    name: 'answer',
    source: 'rows.ts:answer',
    functions: ['answer'],
    steps: [
      store('REQUEST_RESULT'),
      store('REQUEST_RESULT_B'),
      store('REQUEST_A'),
      store('REQUEST_B'),
      store('REQUEST_STATE'),
      add('ROW_WAKE'),
      notify('ROW_WAKE'),
    ],
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
    name: 'raiseSize',
    source: 'files.ts:raiseSize',
    functions: ['updateCommit'],
    steps: [cas('FILE_SIZE_SEQ'), store('FILE_SIZE_LO'), store('FILE_SIZE_HI'), store('FILE_SIZE_SEQ')],
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
    steps: [keep('UPDATE_UNDO'), store('FRAME_STATE')],
  },
  {
    name: 'dropPinOf',
    source: 'pins.ts:dropPinOf',
    functions: ['release'],
    steps: [cas('FRAME_STATE'), keep('ROW_PINS'), ...gauges, maybe(...noteDirtied), wakeFrame],
  },
  {
    name: 'updateBegin',
    source: 'update.ts:updateBegin',
    functions: ['updateBegin'],
    steps: [cas('FRAME_STATE'), store('FRAME_UPDATER'), keep('UPDATE_SLOT'), keep('UPDATE_STAGE'), remember],
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
    steps: [cas('FRAME_STATE'), ...noteDirtied, ...updateEnd],
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
];

export const lones: Lone[] = [
  { functions: ['reclaim', 'viewOpen'], operation: cas('FRAME_STATE'), because: 'a use count, a hint' },
  { functions: ['prepareWait'], operation: cas('FRAME_STATE'), because: 'WAITERS may be set for nobody' },
  { functions: ['fileRetain'], operation: cas('FILE_REFS'), because: 'the count is the whole of it' },
  {
    functions: ['fileRetire'],
    operation: cas('FILE_REFS'),
    because: 'the file worker alone closes files',
  },
  { functions: ['claimStaging'], operation: cas('HEADER_STAGING'), because: 'claim and journal in one word' },
  {
    functions: ['attach'],
    operation: cas('REQUEST_STATE'),
    because: 'a request that nobody waits for is freed',
  },
  {
    functions: ['attach'],
    operation: keep('UPDATE_STAGE'),
    because: 'the last owner held nothing, and the row is not LIVE yet',
  },
  { functions: ['attach'], operation: keep('UPDATE_UNDO'), because: 'likewise' },
  {
    functions: ['release'],
    operation: cas('ROW_STATUS'),
    because: 'the row is STARTING until its pins are dropped; each drop is a section',
  },
  { functions: ['setLife'], operation: cas('HEADER_LIFE'), because: 'the word is the whole of it' },
  { functions: ['claimPath'], operation: cas('HEADER_PATHS'), because: 'claim and journal in one word' },
];
