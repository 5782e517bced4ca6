import { Logger, Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { DataSource, type DataSourceOptions } from 'typeorm';
import { AppConfig } from '../config/config.js';
import { databaseOptions } from './database-options.js';
import { migrate } from './migrate.js';

const CONNECT_ATTEMPTS = 5;
const CONNECT_AGAIN_AFTER_MS = 1000;

/** The connection to PostgreSQL, with the schema up to date before anything else starts. */
@Module({
  imports: [
    TypeOrmModule.forRootAsync({
      inject: [AppConfig],
      useFactory: (config: AppConfig) => ({
        ...databaseOptions(config),
        autoLoadEntities: true,
        retryAttempts: CONNECT_ATTEMPTS,
        retryDelay: CONNECT_AGAIN_AFTER_MS,
      }),
      dataSourceFactory: connect,
    }),
  ],
})
export class DatabaseModule {}

async function connect(options?: DataSourceOptions): Promise<DataSource> {
  if (!options) {
    throw new Error('There are no database options.');
  }
  const ran = await migrate(options);
  if (ran.length > 0) {
    new Logger('Database').log(`Migrations: ${ran.join(', ')}`);
  }
  return new DataSource(options).initialize();
}
