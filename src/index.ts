// Pinfold's public face.
export type { PageCacheHandle } from './attachment';
export { PageCache } from './cache';
export type { PinfoldError, PinfoldErrorCode } from './errors';
export type { CachedFile, SyncReport } from './file';
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
