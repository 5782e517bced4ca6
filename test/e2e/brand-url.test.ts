import { useApp } from '../support/app.js';

const t = useApp({ BRAND_LOGO_URL: 'https://cdn.example.com/logos/a.png?size=2' });

it('The page loads images from the origin of the logo too, where the logo is a URL', async () => {
  const page = await fetch(t.api.url);
  const policy = page.headers.get('content-security-policy') ?? '';
  expect(policy).toContain("img-src 'self' https://cdn.example.com;");
  expect(policy.match(/cdn\.example\.com/g)).toHaveLength(1);
  expect(await page.text()).toContain('src="https://cdn.example.com/logos/a.png?size=2"');
  const style = await fetch(`${t.api.url}/page/brand.css`);
  expect(style.headers.get('content-security-policy')).not.toContain('cdn');
});
