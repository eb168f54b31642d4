// Figures as text: three significant digits, units in the table's head.

const NONE = '–';

export function digits(value: number | null): string {
  if (value === null || !Number.isFinite(value)) return NONE;
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 1_000) return Math.round(value).toLocaleString('en-US');
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3);
}

/** Microseconds as milliseconds. */
export function ms(us: number | null): string {
  return digits(us === null ? null : us / 1e3);
}

export function ratio(value: number | null): string {
  return value === null || !Number.isFinite(value) ? NONE : value.toFixed(2);
}

export function count(value: number): string {
  return value.toLocaleString('en-US');
}

/** Something a second, or pages an fsync: no more exact than it is. */
export function rate(value: number | null): string {
  if (value === null) return NONE;
  return Number.isInteger(value) || value >= 20 ? count(Math.round(value)) : value.toFixed(1);
}
