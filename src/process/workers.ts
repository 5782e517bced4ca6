import cluster, { type Address, type Worker } from 'node:cluster';
import { once } from 'node:events';
import type { Logger } from 'pino';
import type { AppConfig } from '../config/config.js';
import { StartError } from '../problems/start-error.js';
import { onHangUp } from './hang-up.js';
import { urlOf } from './listen.js';
import { serveMetricsOfWorkers } from './metrics-server.js';

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;
// More than a worker needs, whatever its clients do.
const KILLED_AFTER_MS = 10_000;

/** The message to a worker that it is to finish what it has and end, while others take its place. */
export const RETIRE = 'retire';

/** What answers requests: this process, or the workers it has. */
export interface Service {
  readonly url: string;
  /** Finishes what is under way, and takes nothing new. */
  close(signal: NodeJS.Signals): Promise<void>;
}

/**
 * Serves requests in as many processes as the settings say; SIGHUP replaces them.
 *
 * @param environment what they cannot know from the environment of this process
 */
export async function startWorkers(
  config: AppConfig,
  environment: NodeJS.ProcessEnv,
  logger: Logger,
): Promise<Service> {
  const workers = new Workers(config.workers ?? 1, environment, logger);
  onHangUp(() => void workers.replaceAll());
  const { port } = await workers.start();
  await serveMetricsOfWorkers(config, workers.listening);
  return { url: urlOf(config.host, port), close: (signal) => workers.stop(signal) };
}

/**
 * Processes that share one port. One that dies is replaced, after a pause that grows where it keeps dying. When all are
 * replaced each stops only once its successor listens, so that no request is refused.
 */
class Workers {
  /** Those that answer, be they about to go. */
  readonly listening = new Set<Worker>();
  private isStopping = false;
  private isChanging = true;
  private isReplacementDue = false;
  private failures = 0;

  constructor(
    private readonly count: number,
    private readonly environment: NodeJS.ProcessEnv,
    private readonly logger: Logger,
  ) {}

  /** The first one starts alone, and migrates for all. Throws {@link StartError} if one does not listen. */
  async start(): Promise<Address> {
    const address = await this.startOne();
    await Promise.all(Array.from({ length: this.count - 1 }, () => this.startOne()));
    this.isChanging = false;
    void this.replaceWhereDue();
    return address;
  }

  /**
   * Replaces all, with the code and the files of now. If a new one does not listen, the old ones stay. Asked while it is
   * at it, or before all have started, it does so afterwards: by then the files may be others.
   */
  async replaceAll(): Promise<void> {
    this.isReplacementDue = true;
    await this.replaceWhereDue();
  }

  /** Stops each with the signal that would stop a single process, and waits until they have ended. */
  async stop(signal: NodeJS.Signals): Promise<void> {
    this.isStopping = true;
    await Promise.all(
      living().map(async (worker) => {
        const gone = once(worker, 'exit');
        worker.process.kill(signal);
        await gone;
      }),
    );
  }

  private async replaceWhereDue(): Promise<void> {
    if (this.isChanging) {
      return;
    }
    this.isChanging = true;
    while (this.isReplacementDue && !this.isStopping) {
      this.isReplacementDue = false;
      await this.replaceEach();
    }
    this.isChanging = false;
  }

  private async replaceEach(): Promise<void> {
    const retiring: Promise<void>[] = [];
    try {
      for (const worker of living()) {
        await this.startOne();
        retiring.push(retire(worker));
      }
      await Promise.all(retiring);
      this.logger.info('replaced all workers');
    } catch (error) {
      if (!this.isStopping) {
        this.logger.error(`Could not replace all workers, the other ones stay: ${String(error)}`);
      }
      await Promise.all(retiring);
    }
  }

  private async startOne(): Promise<Address> {
    const worker = cluster.fork(this.environment);
    const [address] = await Promise.race([
      once(worker, 'listening'),
      once(worker, 'exit').then(() => {
        throw new StartError('A worker ended before it listened.');
      }),
    ]);
    this.listening.add(worker);
    worker.once('exit', (code, signal) => {
      this.listening.delete(worker);
      if (!this.isStopping && !worker.exitedAfterDisconnect) {
        this.logger.error(`worker ${worker.process.pid} ended: ${signal ?? code}`);
        this.replaceOne();
      }
    });
    return address;
  }

  private replaceOne(): void {
    const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** this.failures, LONGEST_PAUSE_MS);
    setTimeout(() => {
      if (this.isStopping) {
        return;
      }
      this.startOne().then(
        () => (this.failures = 0),
        () => {
          this.failures++;
          this.replaceOne();
        },
      );
    }, pauseMs);
  }
}

async function retire(worker: Worker): Promise<void> {
  if (worker.isDead()) {
    return;
  }
  const gone = once(worker, 'exit');
  worker.exitedAfterDisconnect = true;
  // One that cannot be reached is about to end, or is killed.
  worker.send(RETIRE, () => undefined);
  const timer = setTimeout(() => worker.process.kill('SIGKILL'), KILLED_AFTER_MS);
  await gone;
  clearTimeout(timer);
}

const living = (): Worker[] => Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined);
