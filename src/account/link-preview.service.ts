import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import type { RequestSource } from '../http/request-source.js';
import { MailedTokenLimit } from '../limits/mailed-token-limit.js';
import { TOKEN_PURPOSES } from '../mail/mailed-token.entity.js';
import { MailedTokens } from '../mail/mailed-tokens.js';
import { SessionsService } from '../sessions/sessions.service.js';
import { InvalidLinkTokenError } from './account.errors.js';
import type { LinkPreview } from './link-preview.dto.js';

/** What a mailed link is about, so that its page can say so before a person presses the button. */
@Injectable()
export class LinkPreviewService {
  constructor(
    private readonly database: Database,
    private readonly limit: MailedTokenLimit,
    private readonly tokens: MailedTokens,
    private readonly sessions: SessionsService,
  ) {}

  /**
   * Looks a token up: nothing changes, and it stays good. It says no more than the mail that brought the token. Throws
   * {@link InvalidLinkTokenError}; `too_many_requests`, since it counts as a try of the token.
   */
  async find(token: string, source: RequestSource): Promise<LinkPreview> {
    await this.limit.consumeTry(source);
    const link = await this.tokens.find(this.database, token, TOKEN_PURPOSES);
    if (!link) {
      throw new InvalidLinkTokenError();
    }
    // A change of address names a session too; but its mail went to an address that may be another person's.
    const isAboutSession = link.purpose === 'disown' && link.sessionId !== null;
    return { link, session: isAboutSession ? await this.sessions.findKept(link.sessionId) : null };
  }
}
