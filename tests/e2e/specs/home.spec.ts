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

test('numbers show their day', async ({ home }) => {
  const day = tile(home, 'Living room climate').getByRole('img', { name: /^Last 24 hours: .+ °C to .+ °C$/ });
  // The first readings are recorded after some seconds, and the page asks again for what it did not get.
  await expect(day).toBeVisible({ timeout: 60_000 });
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
