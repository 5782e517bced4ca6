import { Module } from '@nestjs/common';
import { GeoDatabase } from './geo-database.js';
import { PlacesController } from './places.controller.js';

/** Where the network addresses of sessions are, by a file. */
@Module({ controllers: [PlacesController], providers: [GeoDatabase] })
export class PlacesModule {}
