import type { IncomingHttpHeaders } from 'node:http';
import { Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyReply } from 'fastify';
import type { CompanionCookie } from '../auth/refresh-cookie.js';
import { AppConfig } from '../config/config.js';
import { cookieValues } from '../http/cookies.js';
import type { OpenSession } from '../sessions/session.entity.js';
import { VisitTokens } from './visit-token.js';

type CookieSettings = Pick<AppConfig, 'isCookieSecure' | 'visitCookieDomain'>;

/** The prefixes are ones that browsers take over https alone; `__Host-` is for a cookie without a domain. */
function visitCookieNameOf({ isCookieSecure, visitCookieDomain }: CookieSettings): string {
  if (!isCookieSecure) {
    return 'visit';
  }
  return visitCookieDomain === undefined ? '__Host-visit' : '__Secure-visit';
}

/** Proves to `/verify`, and to no other route, which session a browser visits a protected site with. */
@Injectable()
export class VisitCookie implements CompanionCookie {
  private readonly name: string;
  private readonly tokens: VisitTokens;
  private readonly options;

  constructor(
    private readonly adapter: HttpAdapterHost,
    private readonly config: AppConfig,
  ) {
    const { isCookieSecure, visitCookieDomain, refreshTokenSecrets } = config;
    this.name = visitCookieNameOf(config);
    this.tokens = new VisitTokens(refreshTokenSecrets, `${this.name} ${visitCookieDomain ?? ''}`);
    this.options = {
      path: '/',
      httpOnly: true,
      secure: isCookieSecure,
      sameSite: 'lax',
      ...(visitCookieDomain !== undefined && { domain: visitCookieDomain }),
    } as const;
  }

  /** Whether a request has such a cookie, and cookies of this kind are taken at all. */
  isSent(headers: IncomingHttpHeaders): boolean {
    return this.config.hasVisitCookie && cookieValues(headers, this.name).length > 0;
  }

  /** The id of the session that the cookie proves. Null where it is malformed, not ours, or there more than once. */
  read(headers: IncomingHttpHeaders): string | null {
    const [value, ...others] = cookieValues(headers, this.name);
    return value === undefined || others.length > 0 ? null : this.tokens.read(value);
  }

  set(reply: FastifyReply, { id }: Pick<OpenSession, 'id'>, maxAge: number): void {
    this.adapter.httpAdapter.setCookie(reply, this.name, this.tokens.issue(id), { ...this.options, maxAge });
  }

  clear(reply: FastifyReply): void {
    this.adapter.httpAdapter.clearCookie(reply, this.name, this.options);
  }
}
