import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { hasWrk } from './machine.js';

const run = promisify(execFile);

/** Where to send requests, and a file with one header line for each caller. */
export interface Target {
  readonly url: string;
  readonly headers: string;
}

/** What a load generator saw. Times in milliseconds. */
export interface LoadResult {
  readonly requests: number;
  readonly seconds: number;
  readonly p50: number;
  readonly p99: number;
  readonly failures: number;
}

// Each run goes on where the last one ended, so that callers come again only after all others have.
const sentTo = new Map<string, number>();

/**
 * Sends requests over as many connections, each at once after the last answer. Throws if any was refused. Where none was
 * answered, the machine was busy with something else, and it is tried once more.
 */
export async function load(target: Target, connections: number, seconds: number): Promise<LoadResult> {
  const first = await send(target, connections, seconds);
  const result = first.requests > 0 ? first : await send(target, connections, seconds * 3);
  if (result.failures > 0 || result.requests === 0) {
    throw new Error(`${target.url}: ${result.failures} of ${result.requests} requests failed`);
  }
  return result;
}

async function send({ url, headers }: Target, connections: number, seconds: number): Promise<LoadResult> {
  const sent = sentTo.get(url + headers) ?? 0;
  const command = hasWrk
    ? [
        'wrk',
        '-t1',
        `-c${connections}`,
        `-d${seconds}s`,
        '--timeout',
        '20s',
        '-s',
        'test/bench/wrk.lua',
        url,
        '--',
        headers,
        String(sent),
      ]
    : [process.execPath, 'test/bench/peers/load.mjs', url, headers, String(connections), String(seconds), String(sent)];
  const { stdout } = await run(command[0]!, command.slice(1));
  const result: LoadResult = JSON.parse(stdout.trim().split('\n').at(-1)!);
  sentTo.set(url + headers, sent + result.requests);
  return result;
}
