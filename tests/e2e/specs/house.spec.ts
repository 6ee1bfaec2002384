import { expectAccessible } from '../support/accessibility.ts';
import { VIEWER } from '../support/gateway.ts';
import { expect, logIn, numberOn, test, tile } from '../support/test.ts';

test('values of this machine move by themselves', async ({ home }) => {
  const machine = tile(home, 'This machine');
  const before = await machine.innerText();
  await expect.poll(() => machine.innerText(), { timeout: 60_000 }).not.toBe(before);
});

test('the heater: pending, on, its room warms, off, and a refusal with its reason', async ({ home }) => {
  const heater = tile(home, 'Heater');
  const control = heater.getByRole('switch', { name: 'Heater' });
  await expect(control).toHaveAttribute('aria-checked', 'false');
  const cold = await numberOn(home, 'Living room climate');

  // The command is held up on its way, to see what the page shows meanwhile: pending, and not yet on.
  let letGo = () => {};
  const held = new Promise<void>((fulfil) => (letGo = fulfil));
  await home.route('**/api/v1/devices/**', async (route) => {
    await held;
    await route.continue();
  });
  await control.click();
  await expect(control).toHaveAttribute('aria-busy', 'true');
  await expect(control).toHaveAttribute('aria-checked', 'false');
  await expect(heater).toHaveAttribute('data-state', 'pending');
  await expect(heater).toContainText(/Sent .+ ago/);
  letGo();
  await expect(control).toHaveAttribute('aria-checked', 'true');
  await expect(control).toHaveAttribute('aria-busy', 'false');
  await expect(heater).toContainText(/On for/);
  await expectAccessible(home, 'the house with the heater on');
  await home.unroute('**/api/v1/devices/**');

  await expect
    .poll(() => numberOn(home, 'Living room climate'), { message: 'the room warms', timeout: 90_000 })
    .toBeGreaterThan(cold);

  // Off, and at once on again: the heater rests for a moment, and says so.
  await control.click();
  await expect(control).toHaveAttribute('aria-checked', 'false');
  await control.click();
  await expect(heater).toHaveAttribute('data-state', 'refused');
  await expect(control).toHaveAttribute('aria-checked', 'false');
  const note = heater.locator('.note');
  await expect(note).toContainText(/\w+ \w+ \w+/);
  await expectAccessible(home, 'the house with a refusal');
});

test('what others switch shows at once', async ({ home, gateway, browser }) => {
  const other = await browser.newContext();
  const page = await other.newPage();
  await logIn(page, gateway, { name: 'ana', role: 'admin', password: 'a lamp in the window' });
  const mine = tile(home, 'Light').getByRole('switch');
  const theirs = tile(page, 'Light').getByRole('switch');
  const before = await mine.getAttribute('aria-checked');
  const after = before === 'true' ? 'false' : 'true';
  await theirs.click();
  await expect(mine).toHaveAttribute('aria-checked', after);
  await other.close();
});

test('a viewer sees the house and cannot switch', async ({ page, gateway }) => {
  await logIn(page, gateway, VIEWER);
  const control = tile(page, 'Heater').getByRole('switch');
  await expect(control).toHaveAttribute('aria-disabled', 'true');
  const before = await control.getAttribute('aria-checked');
  // Playwright does not click what says that it is disabled; a finger does.
  await control.dispatchEvent('click');
  await expect(control).toHaveAttribute('aria-busy', 'false');
  await expect(control).toHaveAttribute('aria-checked', before!);
});

test('the keyboard alone switches a light', async ({ home }) => {
  const control = tile(home, 'Light').getByRole('switch');
  const before = await control.getAttribute('aria-checked');
  await control.focus();
  await home.keyboard.press('Space');
  await expect(control).toHaveAttribute('aria-checked', before === 'true' ? 'false' : 'true');
  await expect(control).toBeFocused();
});
