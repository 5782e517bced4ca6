import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { poolOf } from './prepared-statements.js';
import { ServiceClient } from './service-client.js';

const HEARTBEAT_MS = 10_000;
const AGAIN_AFTER_MS = [0, 50, 200, 500, 1000] as const;

/** Whoever wants to hear what transactions notify on a channel as they commit (PostgreSQL's LISTEN and NOTIFY). */
export interface ChannelListener {
  /** Of letters and underscores. */
  readonly channel: string;
  /** Something was notified. */
  heard(payload: string): void;
  /** From now on everything is heard. What was notified before, since the connection was lost, is not. */
  listening(): void;
  /** Nothing is heard until it listens again. */
  lost(): void;
}

/** Keeps one connection beside the pool that listens, and opens it again at once when it is lost. */
@Injectable()
export class Notifications implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(Notifications.name);
  private readonly listeners: ChannelListener[] = [];
  private client: ServiceClient | null = null;
  private isStopping = false;
  private timer: NodeJS.Timeout | undefined;

  constructor(@InjectDataSource() private readonly dataSource: DataSource) {}

  /** To be called before the application has started. */
  listen(listener: ChannelListener): void {
    this.listeners.push(listener);
  }

  onApplicationBootstrap(): void {
    if (this.listeners.length > 0) {
      void this.keepListening();
      // A connection whose other end is silently gone looks like one on which nothing happens.
      this.timer = setInterval(() => void this.ask().catch(() => undefined), HEARTBEAT_MS).unref();
    }
  }

  async onApplicationShutdown(): Promise<void> {
    this.isStopping = true;
    clearInterval(this.timer);
    await this.client?.end();
  }

  private async keepListening(): Promise<void> {
    for (let attempt = 0; !this.isStopping; attempt++) {
      const client = new ServiceClient(poolOf(this.dataSource).options);
      const gone = new Promise<void>((resolve) => client.once('end', resolve));
      try {
        await client.connect();
        client.on('notification', ({ channel, payload = '' }) => {
          this.listeners.find((listener) => listener.channel === channel)?.heard(payload);
        });
        this.client = client;
        if (this.isStopping) {
          await client.end();
          return;
        }
        await this.ask();
        attempt = 0;
        for (const listener of this.listeners) listener.listening();
        await gone;
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

  /** Asks to listen, which may be repeated at any time: the server answers, or the connection ends. */
  private async ask(): Promise<void> {
    const { client } = this;
    try {
      await client?.query(this.listeners.map(({ channel }) => `LISTEN ${channel}`).join('; '));
    } catch (error) {
      client?.end().catch(() => undefined);
      throw error;
    }
  }
}
