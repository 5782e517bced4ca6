import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import sql from 'sql-template-tag';
import { AppConfig } from '../config/config.js';
import { ReservedConnections } from './reserved-connections.js';

// Settings of the server change with a reload, standbys come and go.
const ASKED_EVERY_MS = 10_000;

/** By which settings what was answered as done may be gone after a crash or a failover. */
export type DurabilityRisk = keyof typeof RISKS;

const RISKS = {
  fsync: 'fsync is off: a crash of the machine loses or breaks what was committed',
  full_page_writes: 'full_page_writes is off: a crash of the machine may break the database',
  synchronous_commit:
    'synchronous_commit is off or local for this role: a commit is answered before it is on the disk, or at the standbys',
  synchronous_standby_names:
    'synchronous_standby_names is empty and there are standbys: what one of them has not received is gone where it is promoted',
};

interface Settings {
  readonly fsync: string;
  readonly fullPageWrites: string;
  readonly synchronousCommit: string;
  readonly standbyNames: string;
  readonly standbys: number;
}

/** Whether the database keeps what it says it has committed, as far as its settings tell (RT-08, REV-07). */
@Injectable()
export class Durability implements OnApplicationBootstrap {
  private readonly logger = new Logger('Database');
  private asked: { at: number; risks: Promise<DurabilityRisk[]> } | null = null;

  constructor(
    private readonly reserved: ReservedConnections,
    private readonly config: AppConfig,
  ) {}

  /** Says it once, in production: a database for development or tests is fast on purpose. The start does not depend on it. */
  async onApplicationBootstrap(): Promise<void> {
    const risks = this.config.isProduction ? await this.findRisks().catch(() => []) : [];
    if (risks.length > 0) {
      const reasons = risks.map((risk) => RISKS[risk]).join('; ');
      this.logger.warn(`Logouts that were answered may be undone by a crash or a failover: ${reasons}.`);
    }
  }

  /** As it was some seconds ago at most. Throws what the driver throws. */
  findRisks(): Promise<DurabilityRisk[]> {
    if (!this.asked || performance.now() - this.asked.at > ASKED_EVERY_MS) {
      const risks = this.ask();
      this.asked = { at: performance.now(), risks };
      risks.catch(() => (this.asked = null));
    }
    return this.asked.risks;
  }

  // A role without privileges sees of what else is connected only that it is. What receives by a logical slot is no standby.
  private async ask(): Promise<DurabilityRisk[]> {
    const { rows } = await this.reserved.prepared<Settings>(
      'durability',
      sql`
      SELECT current_setting('fsync') AS fsync, current_setting('full_page_writes') AS "fullPageWrites",
        current_setting('synchronous_commit') AS "synchronousCommit",
        current_setting('synchronous_standby_names') AS "standbyNames",
        (SELECT count(*) FROM pg_stat_replication WHERE pid NOT IN (
           SELECT active_pid FROM pg_replication_slots WHERE slot_type = 'logical' AND active_pid IS NOT NULL
         ))::integer AS standbys`,
    );
    return rows.flatMap(risksOf);
  }
}

function risksOf({ fsync, fullPageWrites, synchronousCommit, standbyNames, standbys }: Settings): DurabilityRisk[] {
  const isAlone = standbyNames === '' && standbys === 0;
  const found: Record<DurabilityRisk, boolean> = {
    fsync: fsync === 'off',
    full_page_writes: fullPageWrites === 'off',
    synchronous_commit: synchronousCommit === 'off' || (synchronousCommit === 'local' && !isAlone),
    synchronous_standby_names: standbyNames === '' && standbys > 0,
  };
  return DURABILITY_RISKS.filter((risk) => found[risk]);
}

/** All that there are. */
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the keys of this constant, which has no others
export const DURABILITY_RISKS = Object.keys(RISKS) as DurabilityRisk[];
