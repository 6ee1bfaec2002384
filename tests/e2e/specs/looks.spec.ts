import type { Page } from '@playwright/test';
import { expectAccessible } from '../support/accessibility.ts';
import { expect, expectHouse, test, tile } from '../support/test.ts';

/** The smallest phone that is still about, a common one, a tablet on a wall, and a desktop. */
const SIZES = [
  { width: 320, height: 568 },
  { width: 390, height: 844 },
  { width: 1024, height: 768 },
  { width: 1920, height: 1080 },
];

/** Longest that a page may take to follow the size of its window. */
const FIT_LIMIT_MS = 5_000;

const PAGES = ['/', '/devices/living-room', '/devices/heater', '/devices/this-machine', '/settings'];

/** The areas beside the rooms, whose code comes when they are opened. */
const AREAS = [
  '/history?s=living-room/temperature&s=heater/power&range=15m&compare=1',
  '/history/events',
  '/history/moment',
  '/history/export',
  '/wiring',
  '/wiring/connected',
  '/wiring/which',
  '/wiring/chips',
  '/messages',
  '/messages/publish?topic=garden/note',
  '/system',
  '/system/network',
  '/system/log',
  '/system/backup',
  '/system/check-up',
  '/system/configuration',
  '/people',
  '/people/pair',
  '/people/connections',
  '/people/tokens',
  '/people/log',
];

/** How many pixels wider than the window the page is. */
const overflow = (page: Page) =>
  page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

async function expectFits(page: Page, where: string): Promise<void> {
  // A chart follows the size of its place a frame later.
  const fits = () => document.documentElement.scrollWidth <= document.documentElement.clientWidth;
  await page.waitForFunction(fits, undefined, { timeout: FIT_LIMIT_MS }).catch(() => {});
  expect.soft(await overflow(page), `${where} scrolls sideways by so many pixels`).toBeLessThanOrEqual(0);
}

for (const colorScheme of ['light', 'dark'] as const) {
  test(`every page fits every size and can be read, ${colorScheme}`, async ({ home, gateway }) => {
    await home.emulateMedia({ colorScheme });
    for (const path of PAGES) {
      await home.goto(gateway.origin + path);
      await expect(home.getByRole('heading', { level: 1 })).toBeAttached();
      for (const size of SIZES) {
        await home.setViewportSize(size);
        const where = `${path} at ${size.width} × ${size.height}, ${colorScheme}`;
        await expectFits(home, where);
        await expectAccessible(home, where);
      }
    }
    await expect(home.locator('html')).toHaveAttribute('data-theme', colorScheme);
  });

  test(`every area fits a phone and a desktop and can be read, ${colorScheme}`, async ({ home, gateway }) => {
    await home.emulateMedia({ colorScheme });
    for (const path of AREAS) {
      await home.goto(gateway.origin + path);
      await expect(home.getByRole('heading', { level: 1 })).toBeVisible();
      await expect(home.getByText('Loading', { exact: true }).filter({ visible: true })).toHaveCount(0);
      for (const size of [SIZES[0]!, SIZES[3]!]) {
        await home.setViewportSize(size);
        const where = `${path} at ${size.width} × ${size.height}, ${colorScheme}`;
        await expectFits(home, where);
        await expectAccessible(home, where);
      }
    }
  });
}

test('what a finger must hit is large enough', async ({ home }) => {
  await home.setViewportSize(SIZES[1]!);
  for (const role of ['switch', 'button', 'link'] as const) {
    for (const control of await home.getByRole('main').getByRole(role).all()) {
      // The link of a tile fills the tile, although its own box is a line of text.
      const box = await control.evaluate((element) => {
        const target = element.closest('article') && element.tagName === 'A' ? element.closest('article')! : element;
        const { width, height } = target.getBoundingClientRect();
        return { width, height };
      });
      expect(Math.min(box.width, box.height), await control.innerText()).toBeGreaterThanOrEqual(44);
    }
  }
});

test('the picture of the README', async ({ home, gateway }, info) => {
  for (const name of ['Light', 'Heater']) {
    const control = tile(home, name).getByRole('switch');
    if ((await control.getAttribute('aria-checked')) === 'false') await control.click();
    await expect(control).toHaveAttribute('aria-checked', 'true');
  }
  await home.setViewportSize({ width: 1280, height: 640 });
  await home.goto(gateway.origin);
  await expectHouse(home);
  await expect(tile(home, 'This machine')).toContainText('%');
  await home.screenshot({ path: process.env['GATEHOUSE_SCREENSHOT'] ?? info.outputPath('screenshot.png') });
});
