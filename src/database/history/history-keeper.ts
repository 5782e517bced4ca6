import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import sql from 'sql-template-tag';
import { DataSource } from 'typeorm';
import { AppConfig } from '../../config/config.js';
import { InjectOurDataSource } from '../data-source.js';
import { Database } from '../database.js';
import { historyOf, poolOf } from '../pool.js';
import { Retention } from '../retention.js';
import { ServiceClient, type ServiceClientOptions } from '../service-client.js';
import { answerOf } from '../transaction.js';
import type { HistoryCheck } from './history-check.js';
import { begin, findNewest, writeNext } from './history-rows.js';
import { findIdentity } from './identity.js';
import { joinHistory } from './join-history.js';
import { isChanged } from './verdicts.js';

const WRITES_EVERY_MS = 10_000;
const LOOKS_AGAIN_AFTER_MS = 1000;

/**
 * Writes down every ten seconds that this process serves the database, and asks whether that is still the one it served: so
 * what a pooler or a server without a restart hides is found as well. While the database is refused, it asks each second.
 */
@Injectable()
export class HistoryKeeper implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger('Database');
  private readonly check: HistoryCheck | undefined;
  private connectionsThen = 0;
  private timer: NodeJS.Timeout | undefined;
  private working: Promise<void> = Promise.resolve();
  private isStopping = false;

  constructor(
    @InjectOurDataSource() private readonly dataSource: DataSource,
    private readonly database: Database,
    private readonly config: AppConfig,
    retention: Retention,
  ) {
    this.check = historyOf(poolOf(dataSource));
    retention.add({ table: 'service_processes', column: 'written_at', before: sql`now() - interval '30 days'` });
  }

  onApplicationBootstrap(): void {
    this.schedule();
  }

  async onApplicationShutdown(): Promise<void> {
    this.isStopping = true;
    clearTimeout(this.timer);
    await this.working;
  }

  private schedule(): void {
    const { check } = this;
    if (check && !this.isStopping) {
      const afterMs = check.wentBackWhy === null ? WRITES_EVERY_MS : LOOKS_AGAIN_AFTER_MS;
      this.timer = setTimeout(() => {
        this.working = this.work(check).finally(() => this.schedule());
      }, afterMs).unref();
    }
  }

  private async work(check: HistoryCheck): Promise<void> {
    try {
      await (check.wentBackWhy === null ? this.write(check) : this.lookAgain(check));
    } catch (error) {
      // That the database does not answer, requests say as well.
      this.logger.debug(`Could not write down that the database is served: ${String(error)}`);
    }
  }

  private async write(check: HistoryCheck): Promise<void> {
    const written = await writeNext(this.database, check.processId, check.number ?? 0);
    if (written?.wentBackWhy) {
      check.refuse(written.wentBackWhy);
    } else if (written) {
      check.remember(written);
      await this.noticePromotion(check);
    } else if ((await check.look(this.database)) !== 'went back') {
      await this.join(check);
    }
  }

  /** All that this process was answered is there, so where the database is another one now nothing was lost on the way. */
  private async noticePromotion(check: HistoryCheck): Promise<void> {
    const { opened } = check;
    if (opened === this.connectionsThen) {
      return;
    }
    const [newest, identity] = [await findNewest(this.database), await findIdentity(this.database)];
    if (newest && isChanged(newest, identity)) {
      await begin(this.database, 'promotion', identity);
      this.logger.warn(
        `The database was promoted or moved, and has all that this process was answered: timeline ${identity.timeline} ` +
          `after ${newest.timeline}`,
      );
    }
    this.connectionsThen = opened;
  }

  /** On a connection that is not checked itself. */
  private async lookAgain(check: HistoryCheck): Promise<void> {
    const options: ServiceClientOptions = poolOf(this.dataSource).options;
    const client = new ServiceClient({ ...options, history: undefined });
    try {
      await client.connect();
      const verdict = await check.look({ query: (statement) => answerOf(client, statement) });
      if (verdict !== 'went back') {
        check.serveAgain();
        await this.join(check);
      }
    } finally {
      client.end().catch(() => undefined);
    }
  }

  private async join(check: HistoryCheck): Promise<void> {
    const why = await joinHistory(this.database, check, this.config.databaseSchema);
    if (why !== null) {
      check.refuse(why);
    }
  }
}
