import { Module } from '@nestjs/common';
import sql from 'sql-template-tag';
import { ourEntities } from '../database/data-source.js';
import { Retention } from '../database/retention.js';
import { JwksController } from './jwks.controller.js';
import { KeyRotation } from './key-rotation.js';
import { SigningKeyRow } from './signing-key.entity.js';
import { SigningKeys } from './signing-keys.js';
import { SigningKeysRepository } from './signing-keys.repository.js';

/** The keys that sign and verify JWTs. */
@Module({
  imports: [ourEntities(SigningKeyRow)],
  controllers: [JwksController],
  providers: [KeyRotation, SigningKeys, SigningKeysRepository],
  exports: [SigningKeys, KeyRotation],
})
export class KeysModule {
  constructor(retention: Retention) {
    retention.add({ table: 'signing_keys', column: 'accepted_until', before: sql`now() - interval '30 days'` });
  }
}
