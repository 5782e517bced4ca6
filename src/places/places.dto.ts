import { ApiProperty } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { ArrayMaxSize, IsArray, IsIP } from 'class-validator';

const ADDRESSES_MAX = 100;

export class PlacesQueryDto {
  @ApiProperty({
    type: 'string',
    example: '203.0.113.7,2001:db8::1',
    description: `Addresses of sessions, separated by commas, at most ${ADDRESSES_MAX}.`,
  })
  @IsIP(undefined, { each: true, message: 'must be network addresses, separated by commas' })
  @ArrayMaxSize(ADDRESSES_MAX, { message: `must be at most ${ADDRESSES_MAX} addresses` })
  @IsArray({ message: 'must be given once, as addresses separated by commas' })
  @Transform(({ value }) => (typeof value === 'string' ? value.split(',') : null))
  readonly addresses!: string[];
}

export class PlaceDto {
  @ApiProperty({ example: '203.0.113.7' })
  readonly address!: string;

  @ApiProperty({
    type: 'string',
    nullable: true,
    example: 'Vienna, Austria',
    description: 'In the language of Accept-Language, if the service has texts in it; otherwise in English.',
  })
  readonly place!: string | null;
}

export class PlacesDto {
  @ApiProperty({ type: [PlaceDto] })
  readonly items!: PlaceDto[];
}
