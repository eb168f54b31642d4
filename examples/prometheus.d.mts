import type { CacheStats } from 'pinfold';

export function metricsOf(stats: CacheStats): string;
