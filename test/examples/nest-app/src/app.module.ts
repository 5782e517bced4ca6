import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { LatchkeyModule } from 'latchkey';
import { NotesModule } from './notes/notes.module.js';

const { DATABASE_URL: url = '', JWT_SECRET = '', REFRESH_TOKEN_SECRET = '' } = process.env;

@Module({
  imports: [
    // The application's own tables, in the same database.
    TypeOrmModule.forRoot({ type: 'postgres', url, autoLoadEntities: true, synchronize: true }),
    LatchkeyModule.forRoot({
      environment: 'development',
      databaseUrl: url,
      // Not the name of the role: see src/hosted/README.md.
      databaseSchema: 'auth',
      jwtSecrets: [JWT_SECRET],
      refreshTokenSecrets: [REFRESH_TOKEN_SECRET],
      // This application answers these itself.
      exclude: ['/health'],
    }),
    NotesModule,
  ],
})
export class AppModule {}
