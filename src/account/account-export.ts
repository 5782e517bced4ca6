import { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import type { Caller } from '../sessions/caller.js';
import { AuditEventDto } from '../audit/audit-event.dto.js';
import { AuditTrail } from '../audit/audit-trail.js';
import type { RequestSource } from '../http/request-source.js';
import { AppConfig } from '../config/config.js';
import { ExportLimit } from '../limits/export-limit.js';
import { SessionChecker } from '../sessions/check/session-checker.js';
import { RefusedForGoodError, SessionRevokedError } from '../sessions/sessions.errors.js';
import { SessionsService } from '../sessions/sessions.service.js';
import { UsersService } from '../users/users.service.js';
import { ExportedUserDto, KeptSessionDto } from './account.dto.js';

const PAGE_ROWS = 250;
// So that the end of a session is noticed also while the reader takes nothing.
const CHECKED_EVERY_MS = 500;

/** Everything that is stored about a user, secrets and their hashes aside. */
@Injectable()
export class AccountExport {
  // Six: what is exported is read from the users, the sessions and the audit trail, by one caller at a time.
  constructor(
    private readonly limit: ExportLimit,
    private readonly checker: SessionChecker,
    private readonly users: UsersService,
    private readonly sessions: SessionsService,
    private readonly audit: AuditTrail,
    private readonly config: AppConfig,
  ) {}

  /**
   * The document, an ExportDto in JSON, as it is read from the database: a page at a time, each once its reader has taken
   * the one before, and no page after the end of the caller's session. It breaks off, and is no JSON then, where that ends,
   * the database fails, or the reader takes nothing for REQUEST_TIMEOUT_MS. Throws as {@link ExportLimit.enter} does.
   */
  async open(caller: Caller, source: RequestSource): Promise<Readable> {
    const { userId, sessionId } = caller;
    const leave = await this.limit.enter(userId);
    try {
      const event = { type: 'account_exported', outcome: 'success', userId, sessionId, actorId: userId } as const;
      await this.audit.record(event, source);
    } catch (error) {
      leave();
      throw error;
    }
    const document = Readable.from(
      this.write(caller, () => patience.refresh()),
      { objectMode: false },
    );
    const patience = setTimeout(
      () => document.destroy(new Error('Nobody reads the export.')),
      this.config.requestTimeoutMs,
    );
    const checks = setInterval(
      () =>
        void this.checker.requireOpen(sessionId).catch((error: Error) => hasEnded(error) && document.destroy(error)),
      CHECKED_EVERY_MS,
    );
    document.once('close', () => {
      clearTimeout(patience);
      clearInterval(checks);
      leave();
    });
    return document;
  }

  private async *write({ userId, sessionId, readAt }: Caller, taken: () => void): AsyncGenerator<string> {
    const sessions = mapped(this.sessions.pagesOfAll(userId, PAGE_ROWS), (session) =>
      KeptSessionDto.fromKept(session, sessionId),
    );
    const events = mapped(this.audit.pagesOf(userId, PAGE_ROWS), (event) => AuditEventDto.forSubject(event));

    const user = await this.users.findById(userId);
    if (!user) {
      throw new SessionRevokedError();
    }
    yield `{"exportedAt":${JSON.stringify(readAt)},"user":${JSON.stringify(ExportedUserDto.fromKept(user))}`;
    for (const [name, items] of [
      ['sessions', sessions],
      ['events', events],
    ] as const) {
      yield `,"${name}":[`;
      let separator = '';
      for await (const page of items) {
        taken();
        await this.checker.requireOpen(sessionId);
        yield separator + page;
        separator = ',';
      }
      yield ']';
    }
    yield '}';
  }
}

// Before a page is sent an answer is needed; while nothing is sent a silent database is no reason to break off.
const hasEnded = (error: Error): boolean => error instanceof RefusedForGoodError;

/** The items of each page that has some, as the inside of a JSON array. */
async function* mapped<T>(pages: AsyncIterable<readonly T[]>, toDto: (item: T) => object): AsyncGenerator<string> {
  for await (const page of pages) {
    if (page.length > 0) {
      yield page.map((item) => JSON.stringify(toDto(item))).join(',');
    }
  }
}
