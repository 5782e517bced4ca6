import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import sql from 'sql-template-tag';
import { DataSource } from 'typeorm';
import { InjectOurDataSource } from './data-source.js';
import { AppConfig } from '../config/config.js';
import { Database } from './database.js';
import { poolOf } from './pool.js';
import { channelIn } from './schema-scope.js';
import { ServiceClient } from './service-client.js';

const HEARTBEAT_MS = 10_000;
const ECHO_WITHIN_MS = 5000;
const ECHO = 'echo';
const AGAIN_AFTER_MS = [0, 50, 200, 500, 1000] as const;
const SEND_AGAIN_AFTER_MS = 1000;
const MOST_WAITING = 10_000;
const MOST_AT_ONCE = 1000;
// PostgreSQL takes less than 8000.
const PAYLOAD_BYTES = 7999;

/** What listens on a channel of PostgreSQL's LISTEN and NOTIFY. */
export interface ChannelListener {
  /** Of letters and underscores. */
  readonly channel: string;
  /** Something was notified: a JSON array of messages. */
  received(payload: string): void;
  /** From now on everything is received. What was notified while the connection was lost is not. */
  listening(): void;
  /** Nothing is received until it listens again. */
  lost(): void;
}

interface Message {
  readonly channel: string;
  readonly json: string;
}

/**
 * Keeps one connection beside the pool that listens and notifies, and opens it again at once when it is lost.
 *
 * Notifying is best effort, and never part of the transaction it is about: that would fail where the server's queue of
 * notifications is full, and its commit would wait for every other that notifies. What must not be missed is read from
 * the tables.
 */
@Injectable()
export class Notifications implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(Notifications.name);
  private readonly listeners: ChannelListener[] = [];
  private waiting: Message[] = [];
  private sending: Promise<void> | null = null;
  private isRefused = false;
  private readonly echoChannel = `latchkey_echo_${randomBytes(8).toString('hex')}`;
  private client: ServiceClient | null = null;
  private isStopping = false;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    @InjectOurDataSource() private readonly dataSource: DataSource,
    private readonly database: Database,
    private readonly config: AppConfig,
  ) {}

  /** To be called before the application has started. */
  listen(listener: ChannelListener): void {
    this.listeners.push(listener);
  }

  /**
   * Sends what is committed to the listeners of all instances, in a moment. The caller does not wait for that, and it is
   * lost where the process ends first or ten thousand others wait.
   */
  notify(channel: string, messages: readonly object[]): void {
    if (messages.length === 0) {
      return;
    }
    const free = MOST_WAITING - this.waiting.length;
    this.waiting.push(
      ...messages.slice(0, free).map((message) => ({ channel: this.named(channel), json: JSON.stringify(message) })),
    );
    void this.send();
  }

  /**
   * How full the queue is that all notifications of the server pass through, from 0 to 1. It fills where a client listens
   * and does not read. Throws what the driver throws.
   */
  async findQueueUsage(): Promise<number> {
    const { rows } = await this.database.query<{ usage: number }>(sql`SELECT pg_notification_queue_usage() AS usage`);
    return rows[0]?.usage ?? 0;
  }

  onApplicationBootstrap(): void {
    if (this.listeners.length > 0) {
      void this.keepListening();
      // A connection that was lost silently looks like one on which nothing happens.
      this.timer = setInterval(() => void this.ask().catch(() => undefined), HEARTBEAT_MS).unref();
    }
  }

  async onApplicationShutdown(): Promise<void> {
    this.isStopping = true;
    clearInterval(this.timer);
    if (!this.isRefused) {
      await this.send();
    }
    await this.client?.end();
  }

  private async keepListening(): Promise<void> {
    for (let attempt = 0; !this.isStopping; attempt++) {
      const client = new ServiceClient(poolOf(this.dataSource).options);
      const ended = new Promise<void>((resolve) => client.once('end', resolve));
      try {
        await client.connect();
        client.on('notification', ({ channel, payload = '' }) => {
          if (channel === this.echoChannel) client.emit(ECHO);
          for (const listener of this.listeners) {
            if (this.named(listener.channel) === channel) listener.received(payload);
          }
        });
        this.client = client;
        if (this.isStopping) {
          await client.end();
          return;
        }
        await this.ask();
        attempt = 0;
        for (const listener of this.listeners) listener.listening();
        void this.send();
        await ended;
        for (const listener of this.listeners) listener.lost();
      } catch (error) {
        if (attempt === 1) {
          this.logger.warn(`Cannot listen to the database, and goes on trying: ${String(error)}`);
        }
        client.end().catch(() => undefined);
      }
      this.client = null;
      await sleep(AGAIN_AFTER_MS[Math.min(attempt, AGAIN_AFTER_MS.length - 1)], null, { ref: false });
    }
  }

  /**
   * Asks to listen, which may be repeated at any time, and notifies itself: it is received, or the connection ends. A pooler
   * may have answered on a connection of the server that others have now.
   */
  private async ask(): Promise<void> {
    const { client } = this;
    if (!client) {
      return;
    }
    const channels = new Set([...this.listeners.map(({ channel }) => this.named(channel)), this.echoChannel]);
    try {
      await client.query([...channels].map((channel) => `LISTEN ${channel}`).join('; '));
      await Promise.all([
        // Rejects at once when the connection is lost.
        once(client, ECHO, { signal: AbortSignal.timeout(ECHO_WITHIN_MS) }),
        // From another connection, as all notifications come.
        this.database.query(sql`SELECT pg_notify(${this.echoChannel}, '')`),
      ]);
    } catch (error) {
      client.end().catch(() => undefined);
      throw error;
    }
  }

  private named(channel: string): string {
    return channelIn(this.config.databaseSchema, channel);
  }

  /** Sends what waits, many messages in one statement: while one is under way, more gather. */
  private send(): Promise<void> {
    this.sending ??= this.sendWaiting().finally(() => (this.sending = null));
    return this.sending;
  }

  private async sendWaiting(): Promise<void> {
    // What comes in the same turn of the event loop goes together.
    await Promise.resolve();
    while (this.client && this.waiting.length > 0) {
      const messages = this.waiting.slice(0, MOST_AT_ONCE);
      try {
        await this.notifyOf(messages, this.client);
        this.waiting = this.waiting.slice(messages.length);
        this.isRefused = false;
      } catch (error) {
        if (!this.isRefused) {
          this.logger.warn(`Cannot notify, and goes on trying; what happens is found by polling: ${String(error)}`);
        }
        this.isRefused = true;
        if (this.isStopping) {
          break;
        }
        await sleep(SEND_AGAIN_AFTER_MS, null, { ref: false });
      }
    }
  }

  private async notifyOf(messages: readonly Message[], client: ServiceClient): Promise<void> {
    if (this.isRefused) {
      // A full queue empties when its slowest listener has read or gone, but the server notices only when this is asked.
      await client.query('SELECT pg_notification_queue_usage()');
    }
    const portions = portionsOf(messages);
    const [channels, payloads] = [portions.map(({ channel }) => channel), portions.map(({ payload }) => payload)];
    const { text, values } = sql`SELECT pg_notify(channel, payload)
      FROM unnest(${channels}::text[], ${payloads}::text[]) AS portion (channel, payload)`;
    await client.query({ name: 'notify', text, values });
  }
}

/** As few payloads as hold them all, each for one channel. What fits into none is left out. */
function portionsOf(messages: readonly Message[]): { channel: string; payload: string }[] {
  const portions: { channel: string; messages: string[]; bytes: number }[] = [];
  for (const { channel, json } of messages) {
    // With its comma, or with the bracket that ends the payload.
    const bytes = Buffer.byteLength(json) + 1;
    const open = portions.findLast((portion) => portion.channel === channel);
    if (open && open.bytes + bytes <= PAYLOAD_BYTES) {
      open.messages.push(json);
      open.bytes += bytes;
    } else if (bytes < PAYLOAD_BYTES) {
      portions.push({ channel, messages: [json], bytes: bytes + 1 });
    }
  }
  return portions.map(({ channel, messages: texts }) => ({ channel, payload: `[${texts.join(',')}]` }));
}
