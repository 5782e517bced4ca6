import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { isUUID } from 'class-validator';
import { AppConfig } from '../../config/config.js';
import { Database } from '../../database/database.js';
import type { Transaction } from '../../database/transaction.js';
import type { PageRequest } from '../../http/pagination.js';
import { InvalidFieldError } from '../../http/validation.js';
import { SIGNING_ALGORITHM, type SigningAlgorithm } from '../../keys/signing-key.js';
import { CAEP_EVENTS } from '../deliveries/security-event.js';
import type { AddressRules } from './receiver-address.js';
import { algorithmOf, LOGOUT_EVENTS, type Receiver } from './receiver.entity.js';
import { ReceiverKeys } from './receiver-keys.js';
import { makeReceiverSecret } from './receiver-secret.js';
import { whatIsWrong } from './receiver-url.js';
import { NoReceiverSecretError, ReceiverNotFoundError } from './receivers.errors.js';
import {
  type ReceiverChange,
  type ReceiverSettings,
  ReceiversRepository,
  type ReceiverView,
} from './receivers.repository.js';

// Long enough to deploy the new one everywhere.
const FORMER_SECRET_HOURS = 24;

/** A receiver that is to be. Where it does not say by which algorithm it is sent what is signed, that depends on its kind. */
type NewReceiver = Omit<ReceiverSettings, 'algorithm'> &
  Pick<Receiver, 'kind'> & { readonly algorithm?: SigningAlgorithm | undefined };

/** Which other services are sent what happens. Each change is in the audit trail. */
@Injectable()
export class Receivers {
  constructor(
    private readonly database: Database,
    private readonly receivers: ReceiversRepository,
    private readonly config: AppConfig,
    private readonly keys: ReceiverKeys,
  ) {}

  /**
   * Its secret, where its kind has one, is in the answer, and shown nowhere else. Throws `validation_failed` for a URL that nothing
   * may be sent to, and for what its kind cannot be.
   */
  async add(
    { algorithm, ...settings }: NewReceiver,
    change: ReceiverChange,
  ): Promise<{ receiver: ReceiverView; secret: string | null }> {
    this.requireAllowed(settings.url);
    requireSuitable({ ...settings, algorithm });
    if (settings.kind !== 'webhook' && this.config.jwtAlgorithm !== SIGNING_ALGORITHM) {
      throw new InvalidFieldError(
        'kind',
        'must be webhook where JWT_ALGORITHM is HS256: others are signed with public keys',
      );
    }
    const id = randomUUID();
    const signedBy = algorithm ?? algorithmOf(settings.kind);
    const secret = settings.kind === 'webhook' ? makeReceiverSecret() : null;
    if (secret === null) await this.keys.publish(signedBy);
    const encryptedSecret = secret === null ? null : this.keys.encrypt(id, Buffer.from(secret));
    const receiver = await this.database.transaction(async (transaction) => {
      await this.receivers.insert(transaction, {
        ...settings,
        id,
        algorithm: signedBy,
        encryptedSecret,
      });
      await this.receivers.record(transaction, 'receiver_created', `${id} ${settings.url}`, change);
      return this.receivers.find(id, transaction);
    });
    return { receiver: existing(receiver), secret };
  }

  /** The newest first. */
  async list(page: PageRequest): Promise<{ receivers: ReceiverView[]; hasMore: boolean }> {
    const found = await this.receivers.list(page);
    return { receivers: found.slice(0, page.limit), hasMore: found.length > page.limit };
  }

  /** Throws {@link ReceiverNotFoundError}. */
  async require(id: string): Promise<ReceiverView> {
    return existing(isUUID(id) ? await this.receivers.find(id) : null);
  }

  /**
   * Changes what is given. Disabled, it is sent nothing, and what happens meanwhile it never learns; enabled again, it is sent
   * what waited before that, if it is not too old. Throws {@link ReceiverNotFoundError}, and `validation_failed` as {@link add}.
   */
  async change(
    id: string,
    { isDisabled, ...settings }: Partial<ReceiverSettings> & { isDisabled?: boolean | undefined },
    change: ReceiverChange,
  ): Promise<ReceiverView> {
    if (settings.url !== undefined) {
      this.requireAllowed(settings.url);
    }
    if (settings.algorithm !== undefined) {
      await this.keys.publish(settings.algorithm);
    }
    return this.within(id, async (transaction, receiver) => {
      requireChangeable(receiver, settings);
      const {
        events = receiver.events,
        include = receiver.include,
        audience = receiver.audience,
        algorithm,
      } = settings;
      requireSuitable({ kind: receiver.kind, events, include, audience, algorithm });
      await this.receivers.update(transaction, id, settings);
      if (isDisabled !== undefined) await this.setDisabled(transaction, receiver, isDisabled);
      const what = given({ ...settings, disabled: isDisabled });
      if (Object.keys(what).length > 0) {
        await this.receivers.record(transaction, 'receiver_changed', `${id} ${JSON.stringify(what)}`, change);
      }
      return existing(await this.receivers.find(id, transaction));
    });
  }

  /** Makes another secret: for a day everything is signed with both. Throws {@link ReceiverNotFoundError}, {@link NoReceiverSecretError}. */
  async replaceSecret(id: string, change: ReceiverChange): Promise<string> {
    const secret = makeReceiverSecret();
    await this.within(id, async (transaction, { kind }) => {
      if (kind !== 'webhook') {
        throw new NoReceiverSecretError();
      }
      const encrypted = this.keys.encrypt(id, Buffer.from(secret));
      await this.receivers.replaceSecret(transaction, id, encrypted, FORMER_SECRET_HOURS);
      await this.receivers.record(transaction, 'receiver_changed', `${id} secret`, change);
    });
    return secret;
  }

  /** With all that waits for it. Throws {@link ReceiverNotFoundError}. */
  async delete(id: string, change: ReceiverChange): Promise<void> {
    await this.within(id, async (transaction, { url }) => {
      await this.receivers.delete(transaction, id);
      await this.receivers.record(transaction, 'receiver_deleted', `${id} ${url}`, change);
    });
  }

  /** Notes in the audit trail what else was done with a receiver. */
  recordChange(transaction: Transaction, note: string, change: ReceiverChange): Promise<void> {
    return this.receivers.record(transaction, 'receiver_changed', note, change);
  }

  private requireAllowed(url: string): void {
    const wrong = whatIsWrong(url, rulesOf(this.config));
    if (wrong !== null) {
      throw new InvalidFieldError('url', wrong);
    }
  }

  private async setDisabled(transaction: Transaction, receiver: ReceiverView, isDisabled: boolean): Promise<void> {
    if (isDisabled) {
      await this.receivers.disable(transaction, receiver.id);
    } else if (!(await this.receivers.enable(transaction, receiver.id)) && receiver.disabledReason === 'client_ended') {
      throw new InvalidFieldError('disabled', 'cannot be false: the service client of this stream has ended');
    }
  }

  private within<T>(id: string, work: (transaction: Transaction, receiver: ReceiverView) => Promise<T>): Promise<T> {
    return this.database.transaction(async (transaction) =>
      work(transaction, existing(isUUID(id) ? await this.receivers.find(id, transaction) : null)),
    );
  }
}

/** Where deliveries may go: to this machine only where developers run it. */
export const rulesOf = ({ receiverNetworks, isProduction }: AppConfig): AddressRules => ({
  networks: receiverNetworks,
  allowsLoopback: !isProduction,
});

/** Of a stream its service client decides what it is sent and where. Throws `validation_failed` for a change of that. */
function requireChangeable(
  { clientId }: ReceiverView,
  { description: _, algorithm: __, ...others }: Partial<ReceiverSettings>,
): void {
  const [field] = Object.keys(given(others));
  if (clientId !== null && field !== undefined) {
    throw new InvalidFieldError(field, 'cannot be changed: this is the stream of a service client, which decides that');
  }
}

/** Throws `validation_failed` for what a receiver of its kind is never sent, or has no use for. */
function requireSuitable({
  kind,
  events,
  include,
  audience,
  algorithm,
}: Pick<NewReceiver, 'kind' | 'events' | 'include' | 'audience' | 'algorithm'>): void {
  if (kind === 'webhook') {
    if (algorithm !== undefined) {
      throw new InvalidFieldError('algorithm', 'must be left out for a webhook, which is signed with its secret');
    }
    if (audience !== null) {
      throw new InvalidFieldError('audience', 'must be left out for a webhook: it is the aud of signed tokens');
    }
    return;
  }
  const possible = kind === 'backchannel_logout' ? LOGOUT_EVENTS : Object.values(CAEP_EVENTS).flat();
  if (!events.every((event) => possible.includes(event))) {
    throw new InvalidFieldError('events', `must be some of ${possible.join(', ')} for ${kind}`);
  }
  if (include.length > 0) {
    throw new InvalidFieldError('include', `must be left out for ${kind}: its tokens have ids alone`);
  }
}

/** Without what was left out. */
const given = (settings: object): Record<string, unknown> =>
  Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));

function existing(receiver: ReceiverView | null): ReceiverView {
  if (!receiver) {
    throw new ReceiverNotFoundError();
  }
  return receiver;
}
