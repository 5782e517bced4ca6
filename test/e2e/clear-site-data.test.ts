import { cookieOf, someone } from '../support/api.js';
import { useInstances } from '../support/instances.js';

const SETTINGS = ['cookies,storage', 'storage', 'off'];
const t = useInstances(SETTINGS.length, { env: (index) => ({ CLEAR_SITE_DATA: SETTINGS[index]! }) });

it.each([
  ['cookies,storage', '"cookies", "storage"'],
  ['storage', '"storage"'],
  ['off', null],
])(
  'With CLEAR_SITE_DATA=%s a logout by cookie answers Clear-Site-Data: %s and clears its cookie',
  async (setting, expected) => {
    const { api } = t.instances[SETTINGS.indexOf(setting)]!;
    for (const path of ['/auth/logout', '/auth/logout-all']) {
      const login = await api.register({ ...someone(), tokenDelivery: 'cookie' });
      const { status, headers } = await api.call('POST', path, { cookie: cookieOf(login) });
      expect(status).toBeLessThan(300);
      expect(headers.get('clear-site-data')).toBe(expected);
      expect(headers.getSetCookie()).toEqual([expect.stringMatching(/^refresh_token=;/)]);
      expect((await api.me(login.body.accessToken)).status).toBe(401);
    }
  },
);
