import { existsSync } from 'node:fs';
import { join } from 'node:path';
import axe from 'axe-core';
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core';

const PICTURES = process.env['SCREENSHOTS'] ?? 'coverage/screenshots';
const CHROMIUM = process.env['CHROMIUM'] ?? '/usr/bin/chromium';

/** A real Chromium, and what its pages complained of: errors in the console, exceptions, refusals by a CSP. */
export class TestBrowser {
  readonly complaints: string[] = [];

  private constructor(private readonly browser: Browser) {}

  static async launch(): Promise<TestBrowser> {
    if (!existsSync(CHROMIUM)) {
      throw new Error(`There is no Chromium at ${CHROMIUM}: apt-get install chromium, or set CHROMIUM.`);
    }
    const args = ['--no-sandbox', '--disable-quic', '--disable-background-networking'];
    return new TestBrowser(await chromium.launch({ executablePath: CHROMIUM, args }));
  }

  /** A device of its own: nothing is shared with any other. */
  async device(options: BrowserContextOptions = {}): Promise<BrowserContext> {
    const context = await this.browser.newContext(options);
    context.on('page', (page) => this.listenTo(page));
    return context;
  }

  async close(): Promise<void> {
    await this.browser.close();
  }

  private listenTo(page: Page): void {
    page.on('console', (message) => {
      // A refused request, or one that found nobody, is an error to the browser, and the point of some steps.
      const isExpected = /^Failed to load resource: (the server responded with a status of (?:4|503)|net::ERR_)/.test(
        message.text(),
      );
      if (message.type() === 'error' && !isExpected) this.complaints.push(message.text());
    });
    page.on('pageerror', (error) => this.complaints.push(error.message));
  }
}

/** No finding of axe that would keep somebody out. */
export async function expectAccessible(page: Page): Promise<void> {
  // Beside the page's own policy, which lets no foreign script in.
  const session = await page.context().newCDPSession(page);
  await session.send('Runtime.evaluate', { expression: axe.source });
  const { result } = await session.send('Runtime.evaluate', {
    expression: `axe.run().then(({ violations }) => violations.map(({ id, impact, nodes }) => ({ id, impact, html: nodes[0].html })))`,
    awaitPromise: true,
    returnByValue: true,
  });
  expect(result.value.filter(({ impact }: any) => impact === 'serious' || impact === 'critical')).toEqual([]);
}

const SIZES = [
  ['phone', { width: 360, height: 740 }],
  ['desktop', { width: 1280, height: 800 }],
] as const;

/**
 * Keeps what a page looks like, for people to look at: on a phone and on a desktop, light and dark, as PNG files in the
 * folder that SCREENSHOTS names.
 */
export async function screenshot(page: Page, name: string): Promise<void> {
  const folder = process.env['SCREENSHOTS'];
  if (!folder) return;
  const size = page.viewportSize();
  for (const [device, viewport] of SIZES) {
    await page.setViewportSize(viewport);
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      await page.screenshot({ path: join(PICTURES, `${name}-${device}-${colorScheme}.png`), fullPage: true });
    }
  }
  await page.emulateMedia({ colorScheme: null });
  if (size) await page.setViewportSize(size);
}
