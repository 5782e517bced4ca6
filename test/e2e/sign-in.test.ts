import { cookieOf, PASSWORD, someone } from '../support/api.js';
import { useApp } from '../support/app.js';

const t = useApp();

describe('registering', () => {
  it('makes an account and signs the device in', async () => {
    const { email, password } = someone();
    const { status, body } = await t.api.register({ email, password, name: 'Ada', deviceName: 'Work laptop' });

    expect(status).toBe(201);
    expect(body).toEqual({
      accessToken: expect.any(String),
      tokenType: 'Bearer',
      expiresIn: expect.any(Number),
      refreshToken: expect.stringMatching(/^v1\./),
      user: { id: body.user.id, email, name: 'Ada', role: 'user', emailVerified: false, createdAt: expect.any(String) },
      session: expect.objectContaining({ current: true, ip: '127.0.0.1' }),
    });
    expect(body.session.device.name).toBe('Work laptop');
    expect((await t.api.me(body.accessToken)).status).toBe(200);
  });
});
