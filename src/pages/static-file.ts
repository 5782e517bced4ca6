import { createHash } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';

/** What is the same for everyone for as long as the service runs. */
export interface StaticFile {
  readonly content: Buffer | string;
  readonly type: string;
  readonly etag: string;
}

// A browser keeps them, and asks each time whether they are still these: files of two versions are never mixed for long.
const CACHING = 'no-cache';

export const staticFile = (content: Buffer | string, type: string): StaticFile => ({
  content,
  type,
  etag: `"${createHash('sha256').update(content).digest('base64url')}"`,
});

export const script = (content: string): StaticFile => staticFile(content, 'text/javascript; charset=utf-8');
export const style = (content: string): StaticFile => staticFile(content, 'text/css; charset=utf-8');

/** The content, for Nest to send; nothing, with 304, to a browser that has it. */
export function send(
  { content, type, etag }: StaticFile,
  { headers }: FastifyRequest,
  reply: FastifyReply,
): Buffer | string {
  void reply.headers({ 'Content-Type': type, 'Cache-Control': CACHING, ETag: etag });
  // A proxy that compresses makes a weak one of it.
  const isKnown = (headers['if-none-match'] ?? '').split(',').some((one) => one.trim().replace(/^W\//, '') === etag);
  if (!isKnown) return content;
  void reply.status(304);
  return '';
}
