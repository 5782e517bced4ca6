import type { Type } from '@nestjs/common';
import { getDataSourceToken, InjectDataSource, InjectRepository, TypeOrmModule } from '@nestjs/typeorm';

/**
 * The name of our data source. An application that has Latchkey in its process has a default one of its own, and Nest keeps
 * the entities of all modules in the process by the name of their data source.
 */
export const DATA_SOURCE = 'latchkey';

/** The injection token of our data source. */
export const DATA_SOURCE_TOKEN = getDataSourceToken(DATA_SOURCE);

/** Injects our data source. */
export const InjectOurDataSource = () => InjectDataSource(DATA_SOURCE);

/** Injects the TypeORM repository of one of our entities. */
export const InjectOurRepository = (entity: Type) => InjectRepository(entity, DATA_SOURCE);

/** Registers entities with our data source: for the imports of a module. */
export const ourEntities = (...entities: Type[]) => TypeOrmModule.forFeature(entities, DATA_SOURCE);
