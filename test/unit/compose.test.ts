import { readFileSync } from 'node:fs';

// Files are not in the container unless somebody mounts them, and the image itself says where the rest stands.
const SET_BY_THE_IMAGE = new Set(['NODE_ENV', 'PORT', 'HOST', 'DATA_DIR']);
// With it an instance could change the audit trail: the container that migrates has it, and then ends.
const NOT_FOR_INSTANCES = new Set(['MIGRATION_DATABASE_URL']);

it('The compose file passes on to the service every setting that the image does not set itself', () => {
  const settings = [...readFileSync('.env.example', 'utf8').matchAll(/^([A-Z_]+)=/gm)]
    .map(([, name]) => name!)
    .filter((name) => !name.endsWith('_FILE') && !SET_BY_THE_IMAGE.has(name) && !NOT_FOR_INSTANCES.has(name));
  const [, service = ''] =
    /x-latchkey:[^]*?environment:\n((?: {4}\S.*\n)+)/.exec(readFileSync('compose.yaml', 'utf8')) ?? [];
  const passed = [...service.matchAll(/^ {4}([A-Z_]+):/gm)].map(([, name]) => name!);
  expect(passed.toSorted()).toEqual(settings.toSorted());
});
