import type { Page } from '@playwright/test';
import { expectAccessible } from '../support/accessibility.ts';
import { ADMINISTRATOR } from '../support/gateway.ts';
import { expect, expectHouse, logIn, test, tile } from '../support/test.ts';

/** Names of the tiles of a room, in their order. */
const tilesOf = (page: Page, room: string) =>
  page.getByRole('region', { name: room, exact: true }).getByRole('heading', { level: 3 }).allInnerTexts();

test('a dimmer takes one command where the handle is let go, and shows what the gateway reports', async ({ home }) => {
  const lamp = tile(home, 'Reading lamp');
  const slider = lamp.getByRole('slider', { name: 'Reading lamp, Level' });
  const commands: unknown[] = [];
  home.on('request', (request) => {
    if (request.method() === 'POST' && request.url().endsWith('/set')) commands.push(request.postDataJSON());
  });
  await slider.scrollIntoViewIfNeeded();
  const box = (await slider.boundingBox())!;
  const y = box.y + box.height / 2;
  await home.mouse.move(box.x + 14, y);
  await home.mouse.down();
  for (let step = 1; step <= 12; step += 1) await home.mouse.move(box.x + 14 + (step / 12) * (box.width * 0.6), y);
  expect(commands, 'nothing is sent while the handle is held').toEqual([]);
  await home.mouse.up();
  await expect(lamp).toContainText(/[4-7]\d\.0\s%/);
  await expect(lamp.getByRole('switch')).toHaveAttribute('aria-checked', 'true');
  expect(commands.length).toBe(1);

  // Keys that follow each other are one command as well.
  await slider.focus();
  for (let presses = 0; presses < 8; presses += 1) await home.keyboard.press('ArrowLeft');
  await expect.poll(() => commands.length).toBe(2);
  await expectAccessible(home, 'the house with a lamp dimmed');
  await lamp.getByRole('switch').click();
  await expect(lamp.getByRole('switch')).toHaveAttribute('aria-checked', 'false');
});

test('a blind opens, stops and goes to a place', async ({ home }) => {
  const blind = tile(home, 'Blind');
  await blind.getByRole('button', { name: 'Open: Blind' }).click();
  await expect(blind).toContainText('Opening');
  await blind.getByRole('button', { name: 'Stop: Blind' }).click();
  await expect(blind).toContainText('Stopped');
  await blind.getByRole('button', { name: 'Close: Blind' }).click();
  await expect(blind).toContainText('Closing');
  await expect(blind).toContainText('Closed', { timeout: 60_000 });
});

test('a gate is pressed for a moment, and a flap takes an angle', async ({ home }) => {
  const gate = tile(home, 'Garden gate');
  await gate.getByRole('button', { name: 'Press: Garden gate' }).click();
  await expect(gate).toContainText('On');
  await expect(gate).toContainText('Off');

  const vent = tile(home, 'Vent');
  await vent.getByRole('slider', { name: 'Vent' }).fill('45');
  await expect(vent).toContainText(/45\.0\s*°/);
});

test('numbers show their day, as soon as it has a shape', async ({ home }) => {
  // The gateway draws a point for each quarter of an hour, which is long to wait for: its answer is made younger or older.
  let points = 1;
  await home.route('**/api/v1/history/sparklines?*', async (route) => {
    // The page may be gone by the time of the answer.
    const response = await route.fetch().catch(() => null);
    if (response === null) return;
    const answer = (await response.json()) as { lines: { at_s: number[]; mean: (number | null)[] }[] };
    for (const line of answer.lines) {
      const last = line.mean.findLast((value) => value !== null) ?? 20;
      [line.at_s, line.mean] = [[80_000, 86_000].slice(0, points), [last - 1, last].slice(0, points)];
    }
    await route.fulfill({ response, json: answer });
  });
  const climate = tile(home, 'Kitchen climate');
  const day = climate.getByRole('img', { name: /^Last 24 hours: .+ °C to .+ °C$/ });
  const heightAfterAnswer = async () => {
    // Readings are recorded after some seconds, and the page asks again for what it did not get.
    await expect
      .poll(
        async () => {
          const answered = home.waitForResponse((answer) => answer.url().includes('/sparklines?'));
          await home.reload();
          // An answer to the page of before the reload has no body any more.
          const answer = (await (await answered).json().catch(() => null)) as { lines: { series: string }[] } | null;
          return answer?.lines.some(({ series }) => series === 'kitchen/temperature') ?? false;
        },
        { timeout: 60_000 },
      )
      .toBe(true);
    await expectHouse(home);
    return (await climate.boundingBox())!.height;
  };
  // One reading has no shape: there is no line, and no hole where it would be.
  const without = await heightAfterAnswer();
  await expect(day).toHaveCount(0);
  points = 2;
  const withLine = await heightAfterAnswer();
  await expect(day).toBeVisible();
  expect(withLine).toBeGreaterThan(without + 20);

  // From now on the room is there from the start, and nothing jumps when the line comes.
  await home.unrouteAll();
  await home.route('**/api/v1/history/sparklines?*', () => undefined);
  await home.reload();
  await expectHouse(home);
  expect((await climate.boundingBox())!.height).toBe(withLine);
});

test('rooms are arranged with the keyboard, and stay so on another phone', async ({ home, gateway, browser }) => {
  const before = await tilesOf(home, 'Living room');
  expect(before.slice(0, 2)).toEqual(['Living room climate', 'Heater']);
  await home.getByRole('button', { name: 'Arrange' }).click();
  await expect(home.getByRole('heading', { name: 'Arrange the rooms' })).toBeFocused();
  const up = home.getByRole('button', { name: 'Move Heater up' });
  await up.focus();
  await home.keyboard.press('Enter');
  await expect(home.getByText('Heater: place 1 of 6')).toBeAttached();
  await expect(up).toBeFocused();
  await home.getByRole('button', { name: 'Move Room Hall up' }).click();
  const star = home.getByRole('button', { name: 'Put Outdoors among the favourites' });
  const kept = home.waitForResponse(
    (answer) => answer.url().endsWith('/me/home') && answer.request().method() === 'PUT',
  );
  await star.click();
  await expectAccessible(home, 'arranging the rooms');
  await kept;
  await home.getByRole('button', { name: 'Done' }).click();
  await expect(home.getByRole('button', { name: 'Arrange' })).toBeFocused();
  expect(await tilesOf(home, 'Favourites')).toEqual(['Outdoors']);
  expect((await tilesOf(home, 'Living room')).slice(0, 2)).toEqual(['Heater', 'Living room climate']);
  await expectAccessible(home, 'the house with favourites');

  const phone = await browser.newContext({ viewport: { width: 390, height: 844 } });
  const page = await phone.newPage();
  await logIn(page, gateway, ADMINISTRATOR);
  await expect(
    page.getByRole('region', { name: 'Favourites' }).getByRole('article', { name: 'Outdoors' }),
  ).toBeVisible();
  const rooms = await page.getByRole('heading', { level: 2 }).allInnerTexts();
  expect(rooms.slice(0, 4)).toEqual(['Favourites', 'Living room', 'Kitchen', 'Hall']);
  await phone.close();

  // Everything as it was, for who looks next.
  await home.getByRole('button', { name: 'Arrange' }).click();
  const reset = home.waitForResponse(
    (answer) => answer.url().endsWith('/me/home') && answer.request().method() === 'PUT',
  );
  await home.getByRole('button', { name: 'As in the configuration' }).click();
  await reset;
  await home.reload();
  await expectHouse(home);
  expect(await tilesOf(home, 'Living room')).toEqual(before);
});

test('a device is dragged by its handle', async ({ home }) => {
  await home.getByRole('button', { name: 'Arrange' }).click();
  const list = home.getByRole('list', { name: 'Hall', exact: true });
  const rows = list.getByRole('listitem');
  await rows.first().scrollIntoViewIfNeeded();
  const handle = (await rows.first().locator('.handle').boundingBox())!;
  const last = (await rows.last().boundingBox())!;
  await home.mouse.move(handle.x + 20, handle.y + 20);
  await home.mouse.down();
  await home.mouse.move(handle.x + 20, last.y + last.height - 4, { steps: 10 });
  await home.mouse.up();
  await expect(rows.last()).toContainText('Front door');
  const reset = home.waitForResponse(
    (answer) => answer.url().endsWith('/me/home') && answer.request().method() === 'PUT',
  );
  await home.getByRole('button', { name: 'As in the configuration' }).click();
  await reset;
  await expect(rows.first()).toContainText('Front door');
});
