import cluster, { type Address, type Worker } from 'node:cluster';
import { once } from 'node:events';
import type { Logger } from 'pino';
import { StartError } from './common/start-error.js';
import type { AppConfig } from './config/config.js';
import { serveMetricsOfWorkers } from './metrics/metrics-server.js';

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;

/** Tells a worker to finish what it has and go, while others take its place. */
export const RETIRE = 'retire';

/** What answers requests: this process, or the workers it has. */
export interface Service {
  readonly url: string;
  /** Finishes what is under way, and takes nothing new. */
  close(signal: NodeJS.Signals): Promise<void>;
}

/** Serves requests in as many processes as the settings say; SIGHUP replaces them. */
export async function startWorkers(config: AppConfig, logger: Logger): Promise<Service> {
  const workers = new Workers(config, logger);
  process.on('SIGHUP', () => void workers.replaceAll());
  const { address, port } = await workers.start();
  await serveMetricsOfWorkers(config);
  return { url: `http://${address}:${port}`, close: (signal) => workers.stop(signal) };
}

/**
 * Processes that share one port. One that dies is replaced, after a pause that grows where it keeps dying. When all are
 * replaced it is one by one, each only once its successor listens, so that no request is refused.
 */
class Workers {
  private isStopping = false;
  private isChanging = true;
  private failures = 0;

  constructor(
    private readonly config: AppConfig,
    private readonly logger: Logger,
  ) {}

  /** The first one starts alone, and migrates for all. Throws {@link StartError} if one does not listen. */
  async start(): Promise<Address> {
    const address = await this.startOne();
    await Promise.all(Array.from({ length: (this.config.workers ?? 1) - 1 }, () => this.startOne()));
    this.isChanging = false;
    return address;
  }

  /**
   * Replaces all, with the code and the files of now. If a new one does not listen, the old ones stay. Asked while it is
   * at it, or before all have started, it does nothing.
   */
  async replaceAll(): Promise<void> {
    if (this.isChanging || this.isStopping) {
      return;
    }
    this.isChanging = true;
    try {
      for (const worker of living()) {
        await this.startOne();
        await retire(worker);
      }
      this.logger.info('replaced all workers');
    } catch (error) {
      this.logger.error(`Could not replace all workers, the other ones stay: ${String(error)}`);
    } finally {
      this.isChanging = false;
    }
  }

  /** Tells each to stop, as a service that stands alone is told, and waits until they have. */
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

  private async startOne(): Promise<Address> {
    // An embedded PostgreSQL is ours: they find it as any other.
    const worker = cluster.fork({ DATABASE_URL: this.config.databaseUrl });
    const [address] = await Promise.race([
      once(worker, 'listening'),
      once(worker, 'exit').then(() => {
        throw new StartError('A worker ended before it listened.');
      }),
    ]);
    worker.once('exit', (code, signal) => {
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
  worker.send(RETIRE);
  await gone;
}

const living = (): Worker[] => Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined);
