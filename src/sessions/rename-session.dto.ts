import { ApiProperty, ApiSchema } from '@nestjs/swagger';
import { IsString } from 'class-validator';
import { AtMostCharacters, PlainText } from '../http/validation.js';

export const DEVICE_NAME_MAX_LENGTH = 64;

@ApiSchema({ name: 'RenameSessionRequest' })
export class RenameSessionDto {
  @ApiProperty({ minLength: 1, maxLength: DEVICE_NAME_MAX_LENGTH, example: 'Work laptop' })
  @PlainText()
  @AtMostCharacters(DEVICE_NAME_MAX_LENGTH)
  @IsString()
  readonly deviceName!: string;
}
