import type { Page } from '@playwright/test';
import { expectAccessible } from '../support/accessibility.ts';
import { ADMINISTRATOR } from '../support/gateway.ts';
import { expect, expectHouse, test, tile } from '../support/test.ts';

/** The smallest phone that is still about, a common one, a tablet on a wall, and a desktop. */
const SIZES = [
  { width: 320, height: 568 },
  { width: 390, height: 844 },
  { width: 1024, height: 768 },
  { width: 1920, height: 1080 },
];

/** What a finger hits without care. */
const TARGET_PX = 43.9;

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

/** Languages beside English: what a browser asks for, what the page says it is written in, and its word for a page on its way. */
const LANGUAGES = [
  { locale: 'es-ES', lang: /^es/, loading: 'Cargando' },
  { locale: 'zh-CN', lang: /^zh/, loading: '正在加载' },
];

for (const { locale, lang, loading } of LANGUAGES) {
  test.describe(`in ${locale}`, () => {
    test.use({ locale, viewport: SIZES[1]! });

    test('every page fits a phone and can be read', async ({ page, gateway }, info) => {
      await page.goto(gateway.origin);
      // The words of the log-in page are another matter.
      const status = await page.evaluate(async ({ name, password }) => {
        const headers = { 'content-type': 'application/json' };
        const body = JSON.stringify({ name, password });
        return (await fetch('/api/v1/login', { method: 'POST', headers, body })).status;
      }, ADMINISTRATOR);
      expect(status).toBe(200);
      for (const [index, path] of [...PAGES, ...AREAS].entries()) {
        await page.goto(gateway.origin + path);
        await expect(page.getByRole('heading', { level: 1 })).toBeAttached();
        await expect(page.getByText(loading, { exact: true }).filter({ visible: true })).toHaveCount(0);
        await expect(page.locator('html')).toHaveAttribute('lang', lang);
        const where = `${path} in ${locale}`;
        await expectFits(page, where);
        await expectAccessible(page, where);
        const picture = `${String(index).padStart(2, '0')}${path.replace(/[^a-z]+/g, '-')}.jpg`;
        await page.screenshot({ path: info.outputPath(picture), type: 'jpeg', quality: 40 });
      }
    });
  });
}

test('what a finger must hit is large enough', async ({ home, gateway }) => {
  await home.setViewportSize(SIZES[1]!);
  for (const path of ['/', ...AREAS]) {
    await home.goto(gateway.origin + path);
    await expect(home.getByRole('heading', { level: 1 })).toBeAttached();
    await expect(home.getByText('Loading', { exact: true }).filter({ visible: true })).toHaveCount(0);
    const small = await home.getByRole('main').evaluate((main, least) => {
      const found: string[] = [];
      for (const element of main.querySelectorAll<HTMLElement>('a, button, summary, [role=switch], [role=button]')) {
        // What is folded away or for the keyboard only is not there to be hit.
        if (!element.checkVisibility() || element.closest('svg')) continue;
        // A link within a sentence is as high as its line.
        if (element.tagName === 'A' && element.closest('p')) continue;
        // The link of a tile fills the tile, although its own box is a line of text.
        const tile = element.tagName === 'A' ? element.closest('article') : null;
        const { width, height } = (tile ?? element).getBoundingClientRect();
        if (width <= 1 || Math.min(width, height) >= least) continue;
        found.push(`${element.tagName} ${element.innerText}: ${Math.round(width)} × ${Math.round(height)}`);
      }
      return found;
    }, TARGET_PX);
    expect.soft(small, `${path}: smaller than ${TARGET_PX} pixels`).toEqual([]);
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
