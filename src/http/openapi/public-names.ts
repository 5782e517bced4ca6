import type { OpenAPIObject } from '@nestjs/swagger';

const SCHEMAS = '#/components/schemas/';

/**
 * The document with its types under the names that a client calls: without the "Dto" of our classes, unless that name is
 * taken. What refers to one type and says more about it does so beside the reference, as version 3.1 allows.
 */
export function withPublicNames(document: OpenAPIObject): OpenAPIObject {
  const { schemas = {} } = document.components ?? {};
  const nameOf = (name: string): string => {
    const short = name.replace(/Dto$/, '');
    return short in schemas ? name : short;
  };
  const named = Object.entries(schemas).map(([name, schema]) => [nameOf(name), schema] as const);
  // A copy: parts of the document are those of the decorators.
  const copy = structuredClone({
    ...document,
    components: { ...document.components, schemas: Object.fromEntries(named) },
  });
  renameReferences(copy, nameOf);
  return copy;
}

function renameReferences(part: unknown, nameOf: (name: string) => string): void {
  if (typeof part !== 'object' || part === null) {
    return;
  }
  if ('allOf' in part && isOneReference(part.allOf)) {
    Object.assign(part, part.allOf[0]);
    delete part.allOf;
  }
  for (const [key, value] of Object.entries(part)) {
    if (typeof value === 'string' && value.startsWith(SCHEMAS)) {
      Reflect.set(part, key, SCHEMAS + nameOf(value.slice(SCHEMAS.length)));
    }
    renameReferences(value, nameOf);
  }
}

const isOneReference = (value: unknown): value is [object] =>
  Array.isArray(value) && value.length === 1 && typeof value[0] === 'object' && '$ref' in value[0];
