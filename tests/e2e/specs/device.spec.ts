import type { Page } from '@playwright/test';
import { expectAccessible } from '../support/accessibility.ts';
import { expect, test, tile } from '../support/test.ts';

/** The first colour of a chart's series in the light theme (shared/look: chart series). */
const SERIES = { red: 0x00, green: 0x72, blue: 0xb2 };

/** How many pixels of the chart have the colour of its series: axes and grid do not count. */
function seriesPixels(page: Page): Promise<number> {
  return page
    .getByRole('main')
    .locator('canvas')
    .first()
    .evaluate((chart, colour) => {
      const { width, height } = chart as HTMLCanvasElement;
      if (width === 0 || height === 0) return 0;
      // A copy, so that the browser does not take the chart itself for one that is read all the time.
      const copy = Object.assign(document.createElement('canvas'), { width, height });
      const context = copy.getContext('2d', { willReadFrequently: true })!;
      context.drawImage(chart as HTMLCanvasElement, 0, 0);
      const { data } = context.getImageData(0, 0, width, height);
      const near = (value: number, wanted: number) => Math.abs(value - wanted) < 24;
      let count = 0;
      for (let at = 0; at < data.length; at += 4) {
        const [red, green, blue, alpha] = data.subarray(at, at + 4) as unknown as [number, number, number, number];
        if (alpha > 100 && near(red, colour.red) && near(green, colour.green) && near(blue, colour.blue)) count += 1;
      }
      return count;
    }, SERIES);
}

test('a device has a page with its chart, its figures and what it is', async ({ home }) => {
  await tile(home, 'Living room climate').getByRole('link').click();
  await expect(home.getByRole('heading', { level: 1 })).toContainText('Living room climate');
  await expect(home).toHaveURL(/\/devices\/living-room/);
  await home.goto(`${home.url().split('?')[0]}?range=15m`);

  // Readings reach the chart with the next commit of the history.
  await expect.poll(() => seriesPixels(home), { message: 'a line on the chart', timeout: 60_000 }).toBeGreaterThan(20);
  const main = home.getByRole('main');
  await expect(main).toContainText('°C');
  await expect(main).toContainText(/\w+\/living-room\/temperature/);
  await expectAccessible(home, 'the page of a device');

  // The age of the value moves with the clock of the gateway, and starts again with each reading.
  const age = main.locator('dt', { hasText: 'Heard' }).locator('+ dd');
  await expect(age).toContainText('ago');
  const before = await age.innerText();
  await expect(age).not.toHaveText(before);

  await home.goBack();
  await home.goBack();
  await expect(tile(home, 'Living room climate')).toBeVisible();
});

test('the page of an output says why it switched', async ({ home }) => {
  await tile(home, 'Light').getByRole('link').click();
  const control = home.getByRole('main').getByRole('switch');
  const before = await control.getAttribute('aria-checked');
  await control.click();
  await expect(control).toHaveAttribute('aria-checked', before === 'true' ? 'false' : 'true');
  const did = before === 'true' ? 'Switched off by ana on the page' : 'Switched on by ana on the page';
  await expect(home.getByRole('main')).toContainText(did);
  await expectAccessible(home, 'the page of an output');
});

test('an address that leads nowhere says so', async ({ home, gateway }) => {
  for (const path of ['/devices/never-was', '/nowhere']) {
    await home.goto(gateway.origin + path);
    await expect(home.getByRole('heading', { name: 'Nothing lives at this address' })).toBeVisible();
    await expectAccessible(home, path);
  }
});
