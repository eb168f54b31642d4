// The report's format as JSON Schema (draft 2020-12), made of the same shapes that validate it.
import { LATENCY } from './histogram';
import { REPORT, REPORT_SCHEMA, REPORT_VERSION } from './schema';
import type { Shape } from './shape';

type JsonSchema = Record<string, unknown>;

/** Shapes that come up again and again, by the name under which the schema has them once. */
const DEFINITIONS: Record<string, Shape> = { latency: LATENCY };

export function reportJsonSchema(): JsonSchema {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: `urn:${REPORT_SCHEMA}:report:${REPORT_VERSION}`,
    title: `Report of pinfold-bench, version ${REPORT_VERSION}`,
    ...written(REPORT),
    $defs: Object.fromEntries(Object.entries(DEFINITIONS).map(([name, shape]) => [name, written(shape)])),
  };
}

function schemaOf(shape: Shape): JsonSchema {
  const defined = Object.entries(DEFINITIONS).find(([, each]) => each === shape);
  return defined === undefined ? written(shape) : { $ref: `#/$defs/${defined[0]}` };
}

function written(shape: Shape): JsonSchema {
  if (typeof shape === 'string') return { type: shape };
  switch (shape.is) {
    case 'nullable':
      return typeof shape.shape === 'string'
        ? { type: [shape.shape, 'null'] }
        : { anyOf: [schemaOf(shape.shape), { type: 'null' }] };
    case 'one of':
      return { enum: shape.values };
    case 'list':
      return { type: 'array', items: schemaOf(shape.shape) };
    case 'fields':
      return {
        type: 'object',
        properties: Object.fromEntries(
          Object.entries(shape.fields).map(([field, each]) => [field, schemaOf(each)]),
        ),
        required: Object.keys(shape.fields),
        additionalProperties: false,
      };
  }
}
