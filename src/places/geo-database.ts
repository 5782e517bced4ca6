import { readFileSync } from 'node:fs';
import { Injectable } from '@nestjs/common';
import { type CityResponse, Reader } from 'mmdb-lib';
import { AppConfig } from '../config/config.js';
import { StartError } from '../problems/start-error.js';

/**
 * Where network addresses are, by the file of GEO_DATABASE. It is read once, at the start; nothing is ever asked of
 * another server.
 */
@Injectable()
export class GeoDatabase {
  private readonly reader: Reader<CityResponse> | null;

  constructor({ geoDatabase }: AppConfig) {
    this.reader = geoDatabase === undefined ? null : open(geoDatabase);
  }

  /**
   * City and country of an address, as the language calls them. Null where the file does not know, or there is none:
   * it never knows private addresses.
   */
  placeOf(address: string, language: string): string | null {
    const { city, country } = this.reader?.get(address) ?? {};
    const names: Readonly<Record<string, string>> = { ...city?.names };
    const code = country?.iso_code;
    const countryName = code === undefined ? undefined : new Intl.DisplayNames([language], { type: 'region' }).of(code);
    return [names[language] ?? names['en'], countryName].filter((name) => name !== undefined).join(', ') || null;
  }
}

function open(path: string): Reader<CityResponse> {
  try {
    return new Reader<CityResponse>(readFileSync(path));
  } catch {
    throw new StartError(
      'GEO_DATABASE must name a readable database of places in the format mmdb, such as GeoLite2-City.mmdb',
    );
  }
}
