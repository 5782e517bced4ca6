import { isIP } from 'node:net';
import { availableParallelism } from 'node:os';
import { applyDecorators } from '@nestjs/common';
import { Expose, Transform } from 'class-transformer';
import {
  IsBoolean,
  IsIn,
  IsInt,
  IsOptional,
  IsString,
  Max,
  Min,
  ValidateBy,
  type ValidationOptions,
} from 'class-validator';

const variables = new Map<string, string>();

/** The environment variable of each setting, by the property that holds it. */
export const variableOfSetting: ReadonlyMap<string, string> = variables;

const Variable = (name: string): PropertyDecorator =>
  applyDecorators(Expose({ name }), (_: object, property?: string | symbol) => {
    variables.set(String(property), name);
  });

/** A whole number from an environment variable. */
export const IntegerSetting = (name: string, { min, max }: { min: number; max: number }) =>
  applyDecorators(
    Variable(name),
    Transform(({ value }) => (typeof value === 'string' && /^-?\d+$/.test(value) ? Number(value) : value)),
    IsInt({ message: `${name} must be a whole number` }),
    Min(min, { message: `${name} must be at least ${min}` }),
    Max(max, { message: `${name} must be at most ${max}` }),
  );

/** How many processes: a whole number, or "auto" for one on each core. Unset: this one alone. */
export const WorkersSetting = (name: string) =>
  applyDecorators(
    Variable(name),
    IsOptional(),
    Transform(({ value }) => {
      if (value === 'auto') return availableParallelism();
      return typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value;
    }),
    IsInt({ message: `${name} must be a whole number or auto` }),
    Min(1, { message: `${name} must be at least 1` }),
    Max(256, { message: `${name} must be at most 256` }),
  );

/** A switch: on or off; true, false, 1 and 0 are understood too. */
export const SwitchSetting = (name: string) =>
  applyDecorators(
    Variable(name),
    Transform(({ value }) => {
      if (['on', 'true', '1'].includes(String(value).toLowerCase())) return true;
      if (['off', 'false', '0'].includes(String(value).toLowerCase())) return false;
      return value;
    }),
    IsBoolean({ message: `${name} must be on or off` }),
  );

/** A text; unset stays what the class says. */
export const TextSetting = (name: string, oneOf?: readonly string[]) =>
  applyDecorators(
    Variable(name),
    IsOptional(),
    oneOf ? IsIn(oneOf, { message: `${name} must be one of ${oneOf.join(', ')}` }) : IsString(),
  );

/** A list separated by commas. */
export const ListSetting = (name: string) =>
  applyDecorators(
    Variable(name),
    Transform(({ value }) =>
      typeof value === 'string'
        ? value
            .split(',')
            .map((item) => item.trim())
            .filter(Boolean)
        : value,
    ),
  );

/** Which proxies to believe: a number of hops, or addresses and CIDR ranges. Never everybody. */
export const ProxySetting = (name: string) =>
  applyDecorators(
    Variable(name),
    IsOptional(),
    ValidateBy({
      name: 'isProxyList',
      validator: {
        validate: (value) => typeof value === 'string' && (/^[1-9]$/.test(value) || value.split(',').every(isRange)),
        defaultMessage: () => `${name} must be off, a number of hops from 1 to 9, or addresses and CIDR ranges`,
      },
    }),
  );

/** Addresses and CIDR ranges, separated by commas. */
export const NetworksSetting = (name: string) =>
  applyDecorators(
    ListSetting(name),
    ValidateBy({
      name: 'isNetworkList',
      validator: {
        validate: (value) =>
          Array.isArray(value) && value.every((range) => typeof range === 'string' && isRange(range)),
        defaultMessage: () => `${name} must be a list of addresses and CIDR ranges such as 10.1.0.0/16`,
      },
    }),
  );

function isRange(text: string): boolean {
  const [address = '', bits, ...rest] = text.trim().split('/');
  const version = isIP(address);
  // Fewer bits would come close to everybody.
  const [fewest, most] = version === 4 ? [8, 32] : [7, 128];
  const isPrefix = bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) >= fewest && Number(bits) <= most);
  return version !== 0 && isPrefix && rest.length === 0;
}

const isText = (test: (text: string) => boolean) => (value: unknown) => typeof value === 'string' && test(value);

/** An origin as browsers write it: scheme, host in lower case, port unless it is the default one. */
export const IsOrigin = (options: ValidationOptions) =>
  ValidateBy(
    {
      name: 'isOrigin',
      validator: {
        validate: isText((text) => /^https?:[^*]*$/.test(text) && URL.canParse(text) && new URL(text).origin === text),
      },
    },
    options,
  );

/** A domain as browsers take it for a cookie: labels in lower case, two at least, and no address. */
export const IsCookieDomain = (options: ValidationOptions) =>
  ValidateBy(
    {
      name: 'isCookieDomain',
      validator: {
        validate: isText(
          (text) =>
            text.length <= 253 && /^(?:[a-z\d](?:[a-z\d-]{0,61}[a-z\d])?\.)+[a-z][a-z\d-]{0,61}[a-z\d]$/.test(text),
        ),
      },
    },
    options,
  );

/** An URL of PostgreSQL that the driver can read. */
export const IsDatabaseUrl = (options: ValidationOptions) =>
  ValidateBy(
    {
      name: 'isDatabaseUrl',
      validator: { validate: isText((text) => /^postgres(ql)?:\/\/\S+$/.test(text) && isReadable(text)) },
    },
    options,
  );

function isReadable(url: string): boolean {
  try {
    const { username, password, pathname } = new URL(url);
    return [username, password, pathname].map(decodeURIComponent).length > 0;
  } catch {
    return false;
  }
}
