// Pinfold's public face.
export type { PageCacheHandle } from './attachment';
export { PageCache } from './cache';
export type { ErrorEvent, FillEvent, FsyncEvent, ReclaimEvent, WritebackEvent } from './channels';
export type { PinfoldError, PinfoldErrorCode } from './errors';
export type { CachedFile } from './file';
export type {
  Access,
  AttachOptions,
  CacheOptions,
  FsyncOptions,
  FsyncPolicy,
  OpenOptions,
  UpdateRange,
  WaitOptions,
} from './options';
export type { Page, PinMode } from './page';
export type { PageInfo, PagesFilter, PinInfo } from './pages';
export type { CacheStats } from './stats';
export type { SyncReport } from './syncReport';
export type { Histogram, Timings } from './timings';
