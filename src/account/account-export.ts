import { addAbortSignal, Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { AuditEventDto } from '../audit/audit-event.dto.js';
import { AuditTrail } from '../audit/audit-trail.js';
import type { RequestSource } from '../http/request-source.js';
import { AppConfig } from '../config/config.js';
import { ExportLimit } from '../limits/export-limit.js';
import type { CheckedCaller } from '../sessions/check/session-checker.js';
import { SessionWatcher } from '../session-events/session-watcher.js';
import { SessionsService } from '../sessions/sessions.service.js';
import { UserDto } from '../users/user.dto.js';
import { KeptSessionDto } from './account.dto.js';

const PAGE_ROWS = 250;

/** Everything that is stored about a user, secrets and their hashes aside. */
@Injectable()
export class AccountExport {
  constructor(
    private readonly limit: ExportLimit,
    private readonly watcher: SessionWatcher,
    private readonly sessions: SessionsService,
    private readonly audit: AuditTrail,
    private readonly config: AppConfig,
  ) {}

  /**
   * The document, an ExportDto in JSON, as it is read from the database: a page at a time, each once its reader has taken
   * the one before. It breaks off, and is no JSON then, where the database fails, the caller's session ends, or the reader
   * takes nothing for REQUEST_TIMEOUT_MS. Throws as {@link ExportLimit.enter} does.
   */
  async open(caller: CheckedCaller, source: RequestSource): Promise<Readable> {
    const { userId, sessionId } = caller;
    const leave = await this.limit.enter(userId);
    const { signal, release } = this.watcher.watch(caller);
    try {
      const event = { type: 'account_exported', outcome: 'success', userId, sessionId, actorId: userId } as const;
      await this.audit.record(event, source);
    } catch (error) {
      release();
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
    document.once('close', () => {
      clearTimeout(patience);
      release();
      leave();
    });
    return addAbortSignal(signal, document);
  }

  private async *write({ user, userId, sessionId, readAt }: CheckedCaller, taken: () => void): AsyncGenerator<string> {
    const sessions = mapped(this.sessions.pagesOfAll(userId, PAGE_ROWS), (session) =>
      KeptSessionDto.fromKept(session, sessionId),
    );
    const events = mapped(this.audit.pagesOf(userId, PAGE_ROWS), (event) => AuditEventDto.forSubject(event));

    yield `{"exportedAt":${JSON.stringify(readAt)},"user":${JSON.stringify(UserDto.from(user))}`;
    for (const [name, items] of [
      ['sessions', sessions],
      ['events', events],
    ] as const) {
      yield `,"${name}":[`;
      let separator = '';
      for await (const page of items) {
        taken();
        yield separator + page;
        separator = ',';
      }
      yield ']';
    }
    yield '}';
  }
}

/** The items of each page that has some, as the inside of a JSON array. */
async function* mapped<T>(pages: AsyncIterable<readonly T[]>, toDto: (item: T) => object): AsyncGenerator<string> {
  for await (const page of pages) {
    if (page.length > 0) {
      yield page.map((item) => JSON.stringify(toDto(item))).join(',');
    }
  }
}
