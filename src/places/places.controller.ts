import { Controller, Get, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Language } from '../http/language.js';
import { GeoDatabase } from './geo-database.js';
import { PlacesDto, PlacesQueryDto } from './places.dto.js';

@ApiTags('Devices')
@Controller('sessions/places')
export class PlacesController {
  constructor(private readonly database: GeoDatabase) {}

  @Get()
  @ApiOperation({
    summary: 'Where addresses are',
    description:
      'City and country by the database of `GEO_DATABASE`, a file of the service: no other server is asked. Null for an ' +
      'address that it does not know, and for every one where there is no such file.',
  })
  @ApiOkResponse({ type: PlacesDto })
  listPlaces(@Query() { addresses }: PlacesQueryDto, @Language() language: string): PlacesDto {
    return { items: addresses.map((address) => ({ address, place: this.database.placeOf(address, language) })) };
  }
}
