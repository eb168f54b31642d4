// Shapes of JSON values, and what is wrong with a value of another shape.

type Leaf = 'string' | 'number' | 'boolean';
export type Shape = Leaf | Nullable | List | OneOf | Fields;
interface Nullable {
  is: 'nullable';
  shape: Shape;
}
interface List {
  is: 'list';
  shape: Shape;
}
interface OneOf {
  is: 'one of';
  values: readonly unknown[];
}
interface Fields {
  is: 'fields';
  fields: Record<string, Shape>;
}

export const nullable = (shape: Shape): Nullable => ({ is: 'nullable', shape });
export const list = (shape: Shape): List => ({ is: 'list', shape });
export const oneOf = (...values: unknown[]): OneOf => ({ is: 'one of', values });
export const fields = (of: Record<string, Shape>): Fields => ({ is: 'fields', fields: of });

/** What is wrong with `value` as a `shape`, each with the path of the field; empty when nothing is. */
export function problemsOf(value: unknown, shape: Shape, at: string): string[] {
  if (typeof shape === 'string') {
    const right = shape === 'number' ? Number.isFinite(value) : typeof value === shape;
    return right ? [] : [`${at}: ${JSON.stringify(value)} is not a ${shape}`];
  }
  switch (shape.is) {
    case 'nullable':
      return value === null ? [] : problemsOf(value, shape.shape, at);
    case 'one of':
      return shape.values.includes(value)
        ? []
        : [`${at}: ${JSON.stringify(value)} is none of ${shape.values.join(', ')}`];
    case 'list':
      if (!Array.isArray(value)) return [`${at} is not a list`];
      return value.flatMap((item, i) => problemsOf(item, shape.shape, `${at}[${i}]`));
    case 'fields':
      return problemsOfFields(value, shape.fields, at);
  }
}

function problemsOfFields(value: unknown, shapes: Record<string, Shape>, at: string): string[] {
  if (typeof value !== 'object' || value === null) return [`${at} is not an object`];
  const found = new Map<string, unknown>(Object.entries(value));
  const known = Object.entries(shapes).flatMap(([field, shape]) =>
    problemsOf(found.get(field), shape, `${at}.${field}`),
  );
  const unknown = [...found.keys()].filter((field) => !Object.hasOwn(shapes, field));
  return [...known, ...unknown.map((field) => `${at}.${field} is not part of the format`)];
}
