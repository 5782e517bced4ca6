import { ApiProperty, ApiPropertyOptional, ApiSchema } from '@nestjs/swagger';
import { IsBoolean, IsIn, IsOptional, IsString } from 'class-validator';
import { namedType, orNull } from '../../http/openapi/named-type.js';
import { PageOf } from '../../http/pagination.js';
import { AtMostCharacters, DistinctValuesOf, IsOptionalField, PlainText } from '../../http/validation.js';
import { SIGNING_ALGORITHMS, type SigningAlgorithm } from '../../keys/signing-key.js';
import {
  DISABLED_REASONS,
  type DisabledReason,
  INCLUDABLE,
  type Includable,
  RECEIVER_KINDS,
  type ReceiverKind,
  SIGNAL_EVENTS,
  type SignalEvent,
} from './receiver.entity.js';
import type { ReceiverView } from './receivers.repository.js';

const DESCRIPTION_MAX_LENGTH = 200;
const AUDIENCE_MAX_LENGTH = 200;
const EVENT = namedType('SignalEvent', SIGNAL_EVENTS, 'Something that happened to a session or an account.');
const KIND = namedType(
  'ReceiverKind',
  RECEIVER_KINDS,
  'How a receiver is notified: `webhook` is Standard Webhooks, `backchannel_logout` OpenID Connect Back-Channel Logout, ' +
    '`ssf_push` security event tokens (RFC 8935). `ssf_poll` is a stream that its service client polls.',
);
/** The OpenAPI type of algorithms. */
export const ALGORITHM = namedType('SigningAlgorithm', SIGNING_ALGORITHMS, 'Of a key in the published key set.');
const INCLUDED = namedType('Includable', INCLUDABLE, 'What names a person: sent only where it is asked for.');
const DISABLED_REASON = namedType(
  'ReceiverDisabledReason',
  DISABLED_REASONS,
  'By staff, by its own answer (410), since every attempt failed for three days, or since its service client ended.',
);
const ADDED_KINDS: readonly ReceiverKind[] = ['webhook', 'backchannel_logout', 'ssf_push'];
const SECRET = {
  example: 'whsec_Zm9yIGV4YW1wbGUgb25seSwgbm90IGEgc2VjcmV0ISE=',
  description: 'What webhooks are signed with. It is shown this once.',
};

const Url = { example: 'https://billing.example.com/hooks/latchkey', maxLength: 2048 };

const Events = () =>
  ApiProperty({
    ...EVENT,
    isArray: true,
    minItems: 1,
    uniqueItems: true,
    example: ['session.revoked', 'session.expired'],
  });

class ReceiverOptionsDto {
  @ApiPropertyOptional({ ...INCLUDED, isArray: true, uniqueItems: true, example: ['email'] })
  @DistinctValuesOf(INCLUDABLE, { mayBeEmpty: true })
  @IsOptionalField()
  readonly include?: Includable[];

  @ApiPropertyOptional({
    type: 'string',
    nullable: true,
    maxLength: AUDIENCE_MAX_LENGTH,
    example: 'billing',
    description:
      'The `aud` of signed tokens, such as the `client_id` that a relying party expects; the id of the receiver where it is null.',
  })
  @PlainText()
  @AtMostCharacters(AUDIENCE_MAX_LENGTH)
  @IsString()
  @IsOptional()
  readonly audience?: string | null;

  @ApiPropertyOptional({
    type: 'string',
    nullable: true,
    maxLength: DESCRIPTION_MAX_LENGTH,
    example: 'Billing: closes its sockets',
    description: 'For people.',
  })
  @PlainText()
  @AtMostCharacters(DESCRIPTION_MAX_LENGTH)
  @IsString()
  @IsOptional()
  readonly description?: string | null;

  @ApiPropertyOptional({
    ...ALGORITHM,
    description:
      'Of the key that signs what it is sent. Where it is not said, `RS256` for `ssf_push`, and `ES256` for `backchannel_logout`; ' +
      'not for webhooks.',
  })
  @IsIn(SIGNING_ALGORITHMS, { message: `must be ${SIGNING_ALGORITHMS.join(' or ')}` })
  @IsOptionalField()
  readonly algorithm?: SigningAlgorithm;
}

export class ChangeReceiverDto extends ReceiverOptionsDto {
  @ApiPropertyOptional(Url)
  @IsString()
  @IsOptionalField()
  readonly url?: string;

  @ApiPropertyOptional({ ...EVENT, isArray: true, minItems: 1, uniqueItems: true, example: ['session.revoked'] })
  @DistinctValuesOf(SIGNAL_EVENTS)
  @IsOptionalField()
  readonly events?: SignalEvent[];

  @ApiPropertyOptional({
    example: false,
    description:
      'Disabled, it is sent nothing, and nothing is kept for it. Enabled again, it is sent what waited before.',
  })
  @IsBoolean({ message: 'must be true or false' })
  @IsOptionalField()
  readonly disabled?: boolean;
}

@ApiSchema({ name: 'ReceiverRequest' })
export class AddReceiverDto extends ReceiverOptionsDto {
  @ApiProperty({ ...Url, description: 'https; to an address of the internet, or one in `RECEIVER_NETWORKS`.' })
  @IsString()
  readonly url!: string;

  @ApiProperty({ ...KIND, example: 'webhook' })
  @IsIn(ADDED_KINDS, { message: `must be one of ${ADDED_KINDS.join(', ')}` })
  readonly kind!: ReceiverKind;

  @Events()
  @DistinctValuesOf(SIGNAL_EVENTS)
  readonly events!: SignalEvent[];
}

export class ReceiverDto {
  @ApiProperty({ format: 'uuid', example: '5b1f7d1e-6f0b-4a9e-8a3c-0d2f4c8b9e61' })
  readonly id!: string;

  @ApiProperty(Url)
  readonly url!: string;

  @ApiProperty({ ...KIND, example: 'webhook' })
  readonly kind!: ReceiverKind;

  @Events()
  readonly events!: SignalEvent[];

  @ApiProperty({ ...INCLUDED, isArray: true, example: [] })
  readonly include!: Includable[];

  @ApiProperty({ type: 'string', nullable: true, example: null })
  readonly audience!: string | null;

  @ApiProperty({
    ...orNull(ALGORITHM),
    example: null,
    description: 'Of the key that signs what it is sent; null for a webhook, which is signed with its secret.',
  })
  readonly algorithm!: SigningAlgorithm | null;

  @ApiProperty({ type: 'string', nullable: true, example: 'Billing: closes its sockets' })
  readonly description!: string | null;

  @ApiProperty({ format: 'date-time', example: '2026-11-28T09:30:00.000Z' })
  readonly createdAt!: string;

  @ApiProperty({
    type: 'string',
    format: 'date-time',
    nullable: true,
    example: null,
    description: 'Until when the secret before this one signs too; null where none does.',
  })
  readonly formerSecretUntil!: string | null;

  @ApiProperty({
    type: 'string',
    format: 'date-time',
    nullable: true,
    example: null,
    description: 'Since when every attempt has failed; null where the last one did not.',
  })
  readonly failingSince!: string | null;

  @ApiProperty({
    type: 'number',
    nullable: true,
    example: 0.4,
    description: 'How long the oldest event that it has not taken waits, in seconds; null where none does.',
  })
  readonly oldestWaitingSeconds!: number | null;

  @ApiProperty({ type: 'string', format: 'date-time', nullable: true, example: null })
  readonly disabledAt!: string | null;

  @ApiProperty({ ...DISABLED_REASON, nullable: true, example: null })
  readonly disabledReason!: DisabledReason | null;

  static from(receiver: ReceiverView): ReceiverDto {
    const { id, url, kind, events, include, audience, algorithm, description } = receiver;
    return {
      id,
      url,
      kind,
      events,
      include,
      audience,
      algorithm: kind === 'webhook' ? null : algorithm,
      description,
      createdAt: receiver.createdAt.toISOString(),
      formerSecretUntil: receiver.formerSecretUntil?.toISOString() ?? null,
      failingSince: receiver.failingSince?.toISOString() ?? null,
      oldestWaitingSeconds: receiver.oldestWaitingSeconds,
      disabledAt: receiver.disabledAt?.toISOString() ?? null,
      disabledReason: receiver.disabledReason,
    };
  }
}

export class AddedReceiverDto extends ReceiverDto {
  @ApiProperty({ ...SECRET, type: 'string', nullable: true })
  readonly secret!: string | null;
}

export class ReceiverSecretDto {
  @ApiProperty(SECRET)
  readonly secret!: string;
}

export class ReceiversPageDto extends PageOf(ReceiverDto) {}
