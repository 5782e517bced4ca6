import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import sql from 'sql-template-tag';
import { AppConfig } from '../../config/config.js';
import { Database } from '../database.js';

/** Whether the role that serves could change what protects the audit trail (ASVS 16.4.2). */
@Injectable()
export class ServingRole implements OnApplicationBootstrap {
  private readonly logger = new Logger('Database');

  constructor(
    private readonly database: Database,
    private readonly config: AppConfig,
  ) {}

  /** Says it once, in production: a database for development has one role. The start does not depend on it. */
  async onApplicationBootstrap(): Promise<void> {
    if (this.config.isProduction && (await this.ownsTrail().catch(() => false))) {
      this.logger.warn(
        'The role in DATABASE_URL owns the tables, or is a superuser: with what leaks its URL, lines of the audit trail can be ' +
          'changed and removed. Let another one serve, and this one only migrate (MIGRATION_DATABASE_URL); ' +
          'src/database/roles/README.md says how.',
      );
    }
  }

  /** A superuser counts as a member of every role. */
  private async ownsTrail(): Promise<boolean> {
    const { rows } = await this.database.query<{ owns: boolean }>(
      sql`SELECT pg_has_role(relowner, 'MEMBER') AS owns FROM pg_class WHERE oid = 'audit_events'::regclass`,
    );
    return rows[0]?.owns ?? false;
  }
}
