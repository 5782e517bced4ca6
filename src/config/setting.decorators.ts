import { isIP } from 'node:net';
import { applyDecorators } from '@nestjs/common';
import { Expose, Transform } from 'class-transformer';
import { IsBoolean, IsIn, IsInt, IsOptional, IsString, Max, Min, ValidateBy } from 'class-validator';

/** A whole number from an environment variable. */
export const IntegerSetting = (name: string, { min, max }: { min: number; max: number }) =>
  applyDecorators(
    Expose({ name }),
    Transform(({ value }) => (typeof value === 'string' && /^-?\d+$/.test(value) ? Number(value) : value)),
    IsInt({ message: `${name} must be a whole number` }),
    Min(min, { message: `${name} must be at least ${min}` }),
    Max(max, { message: `${name} must be at most ${max}` }),
  );

/** A switch: on or off; true, false, 1 and 0 are understood too. */
export const SwitchSetting = (name: string) =>
  applyDecorators(
    Expose({ name }),
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
    Expose({ name }),
    IsOptional(),
    oneOf ? IsIn(oneOf, { message: `${name} must be one of ${oneOf.join(', ')}` }) : IsString(),
  );

/** A list separated by commas. */
export const ListSetting = (name: string) =>
  applyDecorators(
    Expose({ name }),
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
    Expose({ name }),
    IsOptional(),
    ValidateBy({
      name: 'isProxyList',
      validator: {
        validate: (value) => typeof value === 'string' && (/^[1-9]$/.test(value) || value.split(',').every(isRange)),
        defaultMessage: () => `${name} must be off, a number of hops from 1 to 9, or addresses and CIDR ranges`,
      },
    }),
  );

function isRange(text: string): boolean {
  const [address = '', bits, ...rest] = text.trim().split('/');
  const version = isIP(address);
  const isPrefix = bits === undefined || (/^[1-9]\d{0,2}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128));
  return version !== 0 && isPrefix && rest.length === 0;
}
