import { Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AppConfig } from '../config/config.js';
import { cookieValues } from '../http/cookies.js';
import type { PresentedToken } from '../sessions/refresh/refresh-token.js';
import type { OpenSession } from '../sessions/session.entity.js';
import type { OpenSessionWithUser } from '../sessions/session-with-user.js';
import { AmbiguousRefreshTokenError } from './auth.errors.js';

/** The prefix is one that browsers take over https alone. */
export const cookieNameOf = (isSecure: boolean): string => (isSecure ? '__Host-refresh_token' : 'refresh_token');

const SITE_DATA = { 'cookies,storage': '"cookies", "storage"', storage: '"storage"', off: undefined } as const;

/** A cookie that a feature sets and clears together with that of the refresh token. */
export interface CompanionCookie {
  set(reply: FastifyReply, session: Pick<OpenSession, 'id'>, maxAgeSeconds: number): void;
  clear(reply: FastifyReply): void;
}

/** The cookie that carries a refresh token, and the rule for where one may be found in a request. */
@Injectable()
export class RefreshCookie {
  private readonly name: string;
  private readonly siteData: string | undefined;
  private readonly options;
  private readonly companions: CompanionCookie[] = [];

  constructor(
    private readonly adapter: HttpAdapterHost,
    config: AppConfig,
  ) {
    this.siteData = SITE_DATA[config.clearSiteData];
    this.name = cookieNameOf(config.isCookieSecure);
    this.options = { path: '/', httpOnly: true, secure: config.isCookieSecure, sameSite: 'strict' } as const;
  }

  /** To be called at start-up. */
  accompany(companion: CompanionCookie): void {
    this.companions.push(companion);
  }

  /**
   * The refresh token of a request. Null if none was sent. Throws {@link AmbiguousRefreshTokenError} where cookie and
   * body differ, or the cookie stands there twice with two values.
   */
  read(request: FastifyRequest, bodyToken: string | undefined): PresentedToken | null {
    const cookies = this.valuesOf(request);
    const [cookie] = cookies;
    const sent = new Set(bodyToken === undefined ? cookies : [...cookies, bodyToken]);
    if (sent.size > 1) {
      throw new AmbiguousRefreshTokenError();
    }
    if (bodyToken !== undefined) {
      return { token: bodyToken, delivery: 'body' };
    }
    return cookie === undefined ? null : { token: cookie, delivery: 'cookie' };
  }

  /** Whether a request carries a refresh token at all, good or bad. */
  isRefreshTokenSent(request: FastifyRequest): boolean {
    return isInBody(request) || this.isSent(request);
  }

  /** Whether the cookie is what a request's refresh token came in, as {@link read} has it. */
  isPresented(request: FastifyRequest): boolean {
    return this.isSent(request) && !isInBody(request);
  }

  isSent(request: FastifyRequest): boolean {
    return this.valuesOf(request).length > 0;
  }

  /** Sets the cookie for the rest of the session's life, idle or absolute, whichever is shorter. */
  set(reply: FastifyReply, refreshToken: string, { session, readAt }: Omit<OpenSessionWithUser, 'user'>): void {
    const restMs = Math.min(session.idleExpiresAt.getTime(), session.expiresAt.getTime()) - readAt.getTime();
    const maxAge = Math.max(0, Math.floor(restMs / 1000));
    this.adapter.httpAdapter.setCookie(reply, this.name, refreshToken, { ...this.options, maxAge });
    for (const companion of this.companions) {
      companion.set(reply, session, maxAge);
    }
  }

  /** Clears the cookie, and in a browser that sent it, what CLEAR_SITE_DATA names. */
  forget(request: FastifyRequest, reply: FastifyReply): void {
    this.clear(reply);
    if (this.siteData !== undefined && this.isSent(request)) {
      reply.header('Clear-Site-Data', this.siteData);
    }
  }

  clear(reply: FastifyReply): void {
    this.adapter.httpAdapter.clearCookie(reply, this.name, this.options);
    for (const companion of this.companions) {
      companion.clear(reply);
    }
  }

  private valuesOf({ headers }: FastifyRequest): string[] {
    return cookieValues(headers, this.name);
  }
}

const isInBody = ({ body }: FastifyRequest): boolean =>
  typeof body === 'object' && body !== null && 'refreshToken' in body && body.refreshToken !== undefined;
