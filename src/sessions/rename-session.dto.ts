import { ApiProperty } from '@nestjs/swagger';
import { IsString, MaxLength, MinLength } from 'class-validator';
import { PlainText } from '../http/validation.js';

export const DEVICE_NAME_MAX_LENGTH = 64;

export class RenameSessionDto {
  @ApiProperty({ minLength: 1, maxLength: DEVICE_NAME_MAX_LENGTH, example: 'Work laptop' })
  @PlainText()
  @MinLength(1)
  @MaxLength(DEVICE_NAME_MAX_LENGTH)
  @IsString()
  readonly deviceName!: string;
}
