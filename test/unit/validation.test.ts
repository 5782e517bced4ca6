import { Type } from 'class-transformer';
import { IsDefined, IsInt, IsObject, IsString, ValidateNested } from 'class-validator';
import { IsOptionalField, validationPipe } from '../../src/http/validation.js';
import type { Problem } from '../../src/problems/problem.js';

class DeviceDto {
  @IsString()
  readonly name!: string;

  @IsInt()
  readonly port!: number;
}

class OrderDto {
  @IsString()
  readonly note!: string;

  @IsDefined()
  @ValidateNested()
  @Type(() => DeviceDto)
  readonly main!: DeviceDto;

  @IsDefined()
  @ValidateNested({ each: true })
  @Type(() => DeviceDto)
  readonly devices!: DeviceDto[];

  @IsObject()
  @IsOptionalField()
  readonly labels?: Record<string, unknown>;
}

const DEVICE = { name: 'lamp', port: 1 };
const ORDER = { note: 'soon', main: DEVICE, devices: [DEVICE] };

const errorsOf = (body: unknown) =>
  validationPipe.transform(body, { type: 'body', metatype: OrderDto }).then(
    () => [],
    (problem: Problem) => problem.errors,
  );

it('A body that is as its class says passes validation', async () => {
  expect(await errorsOf(ORDER)).toEqual([]);
});

it.each<[string, object, object[]]>([
  ['a field is missing', { note: undefined }, [{ field: 'note', message: 'is required' }]],
  ['a field is null', { note: null }, [{ field: 'note', message: 'must be a string' }]],
  ['a field is not known', { speed: 1 }, [{ field: 'speed', message: 'is not expected here' }]],
  ['an object is missing', { main: undefined }, [{ field: 'main', message: 'is required' }]],
  [
    'fields of an object are wrong',
    { main: { port: 'x' } },
    [
      { field: 'main.name', message: 'is required' },
      { field: 'main.port', message: 'must be an integer number' },
    ],
  ],
  [
    'a field of a member of a list is wrong',
    { devices: [DEVICE, { ...DEVICE, name: 5 }] },
    [{ field: 'devices[1].name', message: 'must be a string' }],
  ],
  [
    'a field of a member of a list is not known',
    { devices: [{ ...DEVICE, role: 'admin' }] },
    [{ field: 'devices[0].role', message: 'is not expected here' }],
  ],
])(
  'Where %s, an error names that field by its path and says what is wrong without the name',
  async (_, change, errors) => {
    expect(await errorsOf({ ...ORDER, ...change })).toEqual(errors);
  },
);

it.each([[[]], [5], ['x'], [null], [undefined]])('The body %j misses every field that is required', async (body) => {
  expect(await errorsOf(body)).toEqual(['note', 'main', 'devices'].map((field) => ({ field, message: 'is required' })));
});

it.each<[string, object, string]>([
  ['a field', { note: 'a\u0000b' }, 'note'],
  ['a lone half of a character', { note: 'a\ud800' }, 'note'],
  ['an object', { main: { ...DEVICE, name: '\u0000' } }, 'main.name'],
  ['a member of a list', { devices: [DEVICE, { ...DEVICE, name: 'x\udc00' }] }, 'devices[1].name'],
  ['a list in a map', { labels: { rooms: ['hall', 'a\u0000'] } }, 'labels.rooms[1]'],
  ['a key of a map', { labels: { rooms: { 'a\u0000': 1 } } }, 'labels.rooms'],
])('What PostgreSQL cannot hold is refused in %s, which is named', async (_, change, field) => {
  expect(await errorsOf({ ...ORDER, ...change })).toEqual([{ field, message: 'must not contain control characters' }]);
});

it('Any other text passes validation, at any depth', async () => {
  expect(await errorsOf({ ...ORDER, note: 'a\n\u0007', labels: { 'a\tb': ['👩‍👧', { x: '\u202e' }] } })).toEqual([]);
});
