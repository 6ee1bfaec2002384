/** Real fingers on the charts: one moves the time, two stretch it, two taps go back, and the page still scrolls. */
import type { CDPSession, Locator, Page } from '@playwright/test';
import { expect, test, tile } from '../support/test.ts';

test.use({ viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });

interface Finger {
  x: number;
  y: number;
}

const HOUR = 3_600_000;

/** One report of a screen, at its own time: a machine that is busy must not make a finger slow. */
const touch = (cdp: CDPSession, type: 'touchStart' | 'touchMove' | 'touchEnd', touchPoints: Finger[], at: number) =>
  cdp.send('Input.dispatchTouchEvent', {
    type,
    touchPoints: touchPoints.map((finger, id) => ({ id, ...finger })),
    timestamp: at / 1_000,
  });

/** How often a screen reports where fingers are. */
const REPORT_MS = 16;

/** Moves fingers from here to there. */
async function drag(cdp: CDPSession, from: Finger[], to: Finger[], steps = 12): Promise<void> {
  const at = (share: number) =>
    from.map(({ x, y }, finger) => ({ x: x + share * (to[finger]!.x - x), y: y + share * (to[finger]!.y - y) }));
  const start = Date.now();
  await touch(cdp, 'touchStart', at(0), start);
  for (let step = 1; step <= steps; step += 1) {
    await touch(cdp, 'touchMove', at(step / steps), start + step * REPORT_MS);
  }
  await touch(cdp, 'touchEnd', [], start + (steps + 1) * REPORT_MS);
}

async function tapTwice(cdp: CDPSession, place: Finger): Promise<void> {
  const start = Date.now();
  for (const tap of [0, 150]) {
    await touch(cdp, 'touchStart', [place], start + tap);
    await touch(cdp, 'touchEnd', [], start + tap + 50);
  }
}

/** The stretch that stands in the address; nothing when the chart moves with the time. */
function stretchOf(page: Page): { from: number; to: number; span: number } | null {
  const query = new URL(page.url()).searchParams;
  const [from, to] = [Number(query.get('from')), Number(query.get('to'))];
  return query.has('from') ? { from, to, span: to - from } : null;
}

/** The part of a drawing between its axes, and its middle. */
async function areaOf(chart: Locator) {
  await chart.scrollIntoViewIfNeeded();
  const box = (await chart.locator('.u-over').boundingBox())!;
  return { ...box, middle: { x: box.x + box.width / 2, y: box.y + box.height / 2 } };
}

test('one finger moves the time, two stretch it, and two taps go back', async ({ home, gateway, context }) => {
  const cdp = await context.newCDPSession(home);
  const to = Date.now() - HOUR;
  const address = `${gateway.origin}/history?s=living-room/temperature&from=${to - HOUR}&to=${to}`;
  await home.goto(address);
  const chart = home.getByRole('slider', { name: 'Chart of the chosen values' });
  const { middle, width } = await areaOf(chart);

  // What was under the finger stays under it.
  await drag(cdp, [middle], [{ x: middle.x + 100, y: middle.y }]);
  await expect.poll(() => stretchOf(home)?.from).toBeLessThan(to - HOUR);
  const moved = stretchOf(home)!;
  expect(Math.abs(moved.span - HOUR)).toBeLessThanOrEqual(2);
  expect(to - moved.to).toBeGreaterThan((80 / width) * HOUR);
  expect(to - moved.to).toBeLessThan((110 / width) * HOUR);

  const apart = (px: number) => [
    { x: middle.x - px, y: middle.y },
    { x: middle.x + px, y: middle.y },
  ];
  await drag(cdp, apart(30), apart(90));
  await expect.poll(() => stretchOf(home)?.span).toBeLessThan(HOUR / 2);
  const stretched = stretchOf(home)!;
  expect(stretched.span).toBeGreaterThan(HOUR / 4);
  expect(Math.abs(stretched.from + stretched.to - moved.from - moved.to) / 2).toBeLessThan(HOUR / 20);
  await drag(cdp, apart(90), apart(30));
  await expect.poll(() => stretchOf(home)?.span).toBeGreaterThan(stretched.span * 2);

  // Up and down is the page's, also where a finger begins on the chart.
  const before = stretchOf(home);
  const scrolled = await home.evaluate(() => window.scrollY);
  await drag(cdp, [middle], [{ x: middle.x + 4, y: middle.y - 200 }]);
  await expect.poll(() => home.evaluate(() => window.scrollY)).toBeGreaterThan(scrolled + 100);
  expect(stretchOf(home)).toEqual(before);

  const { middle: here } = await areaOf(chart);
  await tapTwice(cdp, here);
  await expect.poll(() => stretchOf(home)).toBe(null);
});

test('a finger that rests moves the crosshair', async ({ home, gateway, context }) => {
  const cdp = await context.newCDPSession(home);
  const to = Date.now();
  await home.goto(`${gateway.origin}/history?s=living-room/temperature&from=${to - HOUR}&to=${to}`);
  const chart = home.getByRole('slider', { name: 'Chart of the chosen values' });
  const { middle, width } = await areaOf(chart);
  await expect(chart).toHaveAttribute('aria-valuenow', '100');
  const start = Date.now();
  await touch(cdp, 'touchStart', [middle], start);
  await expect(chart).toHaveAttribute('aria-valuenow', /^(49|50|51)$/);
  await touch(cdp, 'touchMove', [{ x: middle.x + width / 4, y: middle.y }], start + 1_000);
  await expect(chart).toHaveAttribute('aria-valuenow', /^(74|75|76)$/);
  await touch(cdp, 'touchEnd', [], start + 1_100);
  expect(stretchOf(home)).toEqual({ from: to - HOUR, to, span: HOUR });
});

test('the chart of a device follows the finger, and two taps lead back to the latest', async ({ home, context }) => {
  const cdp = await context.newCDPSession(home);
  await tile(home, 'Living room climate').getByRole('link').click();
  const chart = home.getByRole('slider', { name: 'History of Temperature' });
  const latest = home.getByRole('button', { name: 'Latest' });
  await expect(chart.locator('.u-over')).toBeVisible();
  await expect(latest).toHaveCount(0);
  const { middle } = await areaOf(chart);
  await drag(cdp, [middle], [{ x: middle.x + 120, y: middle.y }]);
  await expect(latest).toBeVisible();
  await tapTwice(cdp, middle);
  await expect(latest).toHaveCount(0);
});

test.describe('with a wheel', () => {
  test.use({ viewport: { width: 1280, height: 700 }, hasTouch: false, isMobile: false });

  test('who turns it without Ctrl is told once how to zoom', async ({ home, gateway }) => {
    const to = Date.now();
    const address = `${gateway.origin}/history?s=living-room/temperature&from=${to - HOUR}&to=${to}`;
    await home.goto(address);
    const chart = home.getByRole('slider', { name: 'Chart of the chosen values' });
    const hint = home.getByText('To zoom, hold Ctrl and turn the wheel');
    const { middle } = await areaOf(chart);
    await home.mouse.move(middle.x, middle.y);
    await home.mouse.wheel(0, 40);
    await expect(hint).toBeVisible();
    expect(stretchOf(home)?.span).toBe(HOUR);
    await home.keyboard.down('Control');
    await home.mouse.wheel(0, -40);
    await home.keyboard.up('Control');
    await expect.poll(() => stretchOf(home)?.span).toBeLessThan(HOUR);

    await home.goto(address);
    const again = await areaOf(chart);
    await home.mouse.move(again.middle.x, again.middle.y);
    await home.mouse.wheel(0, 40);
    await expect(chart).toBeVisible();
    await expect(hint).toHaveCount(0);
  });
});
