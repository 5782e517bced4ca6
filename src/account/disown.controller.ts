import { Body, Controller, HttpCode, HttpStatus, Post } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProperty, ApiSchema, ApiTags } from '@nestjs/swagger';
import { ApiProblems } from '../problems/api-problems.decorator.js';
import { Public } from '../http/public.decorator.js';
import { type RequestSource, Source } from '../http/request-source.js';
import { RevokedDto } from '../auth/auth-result.dto.js';
import { EmailTakenError } from '../users/users.errors.js';
import { TooManyRequestsError } from '../problems/problem.js';
import { MailedTokenDto } from './passwords.dto.js';
import { AccountRecoveryService } from './account-recovery.service.js';
import { InvalidDisownTokenError } from './account.errors.js';

@ApiSchema({ name: 'RecoveredAccount' })
export class DisownedDto extends RevokedDto {
  @ApiProperty({
    type: 'string',
    nullable: true,
    example: 'q8Kf2cX0vWlGm4pYhT6sZbN1eRj9uDa3oLi7xQyE5Vg',
    description:
      'For `POST /auth/password/reset`, since the password no longer works. Valid for half an hour, once. ' +
      'Null where the account has another address by now, whose change is undone by the link of its own mail.',
  })
  readonly resetToken!: string | null;
}

@ApiTags('Account')
@Controller('sessions/disown')
export class DisownController {
  constructor(private readonly recovery: AccountRecoveryService) {}

  @Public()
  @Post()
  @HttpCode(HttpStatus.OK)
  @ApiOperation({
    summary: 'Take an account back after a mail about a sign-in that was not yours: "this was not me"',
    description:
      'Every session ends, every pending change and mailed link is withdrawn, the password no longer works, and a change ' +
      'of address that this device asked for is undone.',
  })
  @ApiOkResponse({ type: DisownedDto })
  @ApiProblems(InvalidDisownTokenError, EmailTakenError, TooManyRequestsError)
  disownSession(@Body() { token }: MailedTokenDto, @Source() source: RequestSource): Promise<DisownedDto> {
    return this.recovery.disown(token, source);
  }
}
