// Where network addresses are, if the service has a database of places.
import { settings } from './i18n.mjs';

const AT_ONCE = 100;

const known = new Map();

/** Learns the places of these addresses. Where that fails addresses stand alone. */
export async function learnPlaces(client, addresses) {
  const wanted = [...new Set(addresses)].filter((address) => address !== '' && !known.has(address)).slice(0, AT_ONCE);
  if (!settings.hasPlaces || wanted.length === 0) return;
  try {
    const { items } = await client.request('GET', '/sessions/places', { query: { addresses: wanted.join() } });
    for (const { address, place } of items) known.set(address, place);
  } catch {
    // It is tried again with the next list.
  }
}

/** An address, with its place where that is known. */
export const withPlace = (address) => (known.get(address) ? `${known.get(address)} (${address})` : address);
