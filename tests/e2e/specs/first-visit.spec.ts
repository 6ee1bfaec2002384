/** The first run: from the set-up code to the first phone, left in the middle and taken up again. */
import type { Page } from '@playwright/test';
import { expectAccessible } from '../support/accessibility.ts';
import { ADMINISTRATOR, freePort, startGateway } from '../support/gateway.ts';
import { expect, expectHouse, logIn, test, tile } from '../support/test.ts';

/** A house that can be configured, with a relay. */
const HOUSE = `
[[device]]
id = "pump"
name = "Pump"
driver = "output"
pin = 17
safe = "off"
max_on = "1h"
`;

const heading = (page: Page, name: string) => page.getByRole('heading', { name, level: 2 });
const next = (page: Page) => page.getByRole('button', { name: 'Continue', exact: true });

test('the first visitor is led to the house, leaves in the middle, and comes back', async ({
  page,
  browser,
  watch,
}) => {
  // The answers to a wrong code and to a wrong name show in the console of the browser.
  watch.tolerate(/status of 403/);
  const gateway = await startGateway([], HOUSE);
  await page.setViewportSize({ width: 390, height: 844 });
  await page.goto(gateway.origin);
  await expect(page.getByRole('heading', { name: 'Set up this gateway' })).toBeVisible();
  await expect(page.getByText('Step 1 of 7: Code')).toBeVisible();
  await expectAccessible(page, 'the set-up code');

  // Each step is checked where it is made.
  const code = page.getByLabel('Set-up code');
  await next(page).click();
  await expect(page.getByText('Type the set-up code.')).toBeVisible();
  await expect(code).toBeFocused();
  await code.fill('AAAA-AAAA');
  await next(page).click();
  await expect(page.getByText('That is not the set-up code.', { exact: false })).toBeVisible();
  expect(gateway.setupCode).not.toBeNull();
  await code.fill(gateway.setupCode!.toLowerCase());
  await next(page).click();

  await expect(heading(page, 'Name and language')).toBeFocused();
  await page.getByRole('radio', { name: 'Español' }).check();
  await expect(page.getByText('Paso 2 de 7: Nombre')).toBeVisible();
  await page.getByRole('radio', { name: 'English' }).check();
  const gatewayName = page.getByLabel('Name of the gateway');
  await next(page).click();
  await expect(page.getByText('Give the gateway a name.')).toBeVisible();
  await expectAccessible(page, 'name and language');
  await gatewayName.fill('Casa Sol');
  await next(page).click();

  // A reload goes on where it was, and what was typed is still there.
  await expect(heading(page, 'Make the administrator')).toBeFocused();
  await page.reload();
  await expect(heading(page, 'Make the administrator')).toBeVisible();
  await page.getByRole('button', { name: 'Back' }).click();
  await expect(gatewayName).toHaveValue('Casa Sol');
  await next(page).click();

  const name = page.getByLabel('Name', { exact: true });
  const password = page.getByLabel('Password', { exact: true });
  const again = page.getByLabel('Password again');
  const finish = page.getByRole('button', { name: 'Create account' });
  await finish.click();
  await expect(page.getByText('Type a name.')).toBeVisible();
  await name.fill(ADMINISTRATOR.name);
  await password.fill('short');
  await finish.click();
  await expect(page.getByText(/A password has at least \d+ characters/)).toBeVisible();
  await password.fill(ADMINISTRATOR.password);
  await again.fill('another one entirely');
  await finish.click();
  await expect(page.getByText('The two passwords differ.')).toBeVisible();
  await expectAccessible(page, 'the administrator');
  await again.fill(ADMINISTRATOR.password);
  await finish.click();

  await expect(heading(page, 'Time zone and place')).toBeVisible();
  await expect(page.getByLabel('Time zone')).toHaveValue('Europe/Madrid');
  await page.getByLabel('Latitude').fill('40,4');
  await next(page).click();
  await expect(page.getByText('Give both, or none.')).toBeVisible();
  await page.getByLabel('Longitude').fill('-181');
  await next(page).click();
  await expect(page.getByText('Write degrees from -180 to 180', { exact: false })).toBeVisible();
  await expectAccessible(page, 'time and place');
  await page.getByLabel('Longitude').fill('-3.7');
  await next(page).click();
  await expect(heading(page, 'What is on this board')).toBeFocused();

  // Left in the middle, and taken up on a wall tablet: the gateway knows how far it is.
  const tablet = await browser.newPage({ viewport: { width: 1200, height: 900 }, locale: 'en-GB' });
  await tablet.goto(gateway.origin);
  await tablet.getByLabel('Name').fill(ADMINISTRATOR.name);
  await tablet.getByLabel('Password', { exact: true }).fill(ADMINISTRATOR.password);
  await tablet.getByRole('button', { name: 'Log in' }).click();
  await expect(heading(tablet, 'What is on this board')).toBeVisible();
  await expect(tablet.getByText('Pin 11 (line 17)')).toBeVisible();
  await expect(tablet.getByText('Nothing to mend was found.')).toBeVisible();
  await expectAccessible(tablet, 'the board');
  await next(tablet).click();

  await expect(heading(tablet, 'A first device')).toBeVisible();
  await tablet.getByRole('radio', { name: 'A contact or a button' }).check();
  await tablet.getByLabel('At which pin').selectOption('Pin 7 (line 4)');
  await tablet.getByRole('button', { name: 'Add: A contact or a button, Line 4' }).click();
  await tablet.getByLabel('Name', { exact: true }).fill('Front door');
  await tablet.getByLabel('Room (optional)').fill('Hall');
  await tablet.getByRole('button', { name: 'Add', exact: true }).click();
  await expect(tablet.getByText('Front door is added.').first()).toBeVisible();
  await expect(tablet.getByText('Devices so far: 2')).toBeVisible();
  await expectAccessible(tablet, 'the first device');
  await next(tablet).click();

  await tablet.getByLabel('What is it called').fill('phone');
  await tablet.getByRole('button', { name: 'Show the password' }).click();
  await expect(tablet.getByTestId('pairing-light')).toContainText('Waiting for it to connect');
  await expectAccessible(tablet, 'pairing');
  await tablet.getByRole('button', { name: 'Done', exact: true }).click();
  await expect(heading(tablet, 'The gateway is set up')).toBeFocused();
  await expectAccessible(tablet, 'the end');
  await tablet.getByRole('button', { name: 'Open the rooms' }).click();
  await expect(tablet.getByRole('banner').getByText('Casa Sol')).toBeVisible();
  await expect(tile(tablet, 'Front door')).toBeVisible();
  await tablet.close();

  // The phone that was left comes back to the house: nothing is open any more.
  await page.reload();
  await expect(tile(page, 'Pump')).toBeVisible();
  await page.close();
  await gateway.stop();
});

test('what cannot be changed is said, and can be skipped', async ({ page, newGateway }) => {
  await page.goto(newGateway.origin);
  await page.getByLabel('Set-up code').fill(newGateway.setupCode!);
  await next(page).click();
  await page.getByLabel('Name of the gateway').fill('Casa Sol');
  await next(page).click();
  await page.getByLabel('Name', { exact: true }).fill(ADMINISTRATOR.name);
  await page.getByLabel('Password', { exact: true }).fill(ADMINISTRATOR.password);
  await page.getByLabel('Password again').fill(ADMINISTRATOR.password);
  await page.getByRole('button', { name: 'Create account' }).click();

  // The demonstration has no file to write the name to.
  await expect(page.getByText('Step 2 of 7: Name')).toBeVisible();
  const skip = page.getByRole('button', { name: 'Skip this step' });
  await skip.click();
  await expect(heading(page, 'Time zone and place')).toBeFocused();
  await expect(page.getByText('This cannot be changed here.', { exact: false })).toBeVisible();
  await skip.click();

  // Put off, and there again with the next visit.
  await expect(heading(page, 'What is on this board')).toBeFocused();
  await page.getByRole('button', { name: 'Go to the rooms, and go on later' }).click();
  await expectHouse(page);
  for (const room of ['Living room', 'Kitchen', 'Bathroom', 'Hall']) {
    await expect(page.getByRole('heading', { name: room, exact: true })).toBeVisible();
  }
  // The sensors of this machine are real; the house is made up, and says so.
  await expect(tile(page, 'Living room climate')).toContainText('Simulated');
  await expect(tile(page, 'This machine')).not.toContainText('Simulated');
  await page.reload();
  await expect(heading(page, 'What is on this board')).toBeVisible();
  await expect(next(page)).toBeVisible();
  await next(page).click();
  await expect(heading(page, 'A first device')).toBeVisible();
  await next(page).click();
  await skip.click();
  await expect(page.getByText('Time zone and place: System, Configuration')).toBeVisible();
  await page.getByRole('button', { name: 'Open the rooms' }).click();
  await expectHouse(page);

  // The log-in outlives a reload.
  await page.reload();
  await expectHouse(page);
});

test('a backup of the system page is restored on a new machine', async ({ page, browser, watch, gateway }) => {
  // A passphrase that does not fit, and the time in which the new machine restarts.
  watch.tolerate(/status of 40[13]|ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE/);
  const passphrase = 'a lamp in the window of the gatehouse';
  await logIn(page, gateway, ADMINISTRATOR);
  await page.goto(`${gateway.origin}/system/backup`);
  const make = page.getByRole('button', { name: 'Make a backup' });
  await page.getByLabel('Passphrase', { exact: true }).fill('short');
  await make.click();
  await expect(page.getByText('A passphrase has at least 8 characters.')).toBeVisible();
  await page.getByLabel('Passphrase', { exact: true }).fill(passphrase);
  await page.getByLabel('Passphrase again').fill(passphrase);
  await make.click();
  const link = page.getByRole('link', { name: 'Load it down' });
  await expect(link).toBeVisible({ timeout: 60_000 });
  await expectAccessible(page, 'the backups');
  const [download] = await Promise.all([page.waitForEvent('download'), link.click()]);
  const file = await download.path();

  const fresh = await startGateway([], undefined, await freePort());
  const visit = await browser.newPage({ viewport: { width: 390, height: 844 }, locale: 'en-GB' });
  await visit.goto(fresh.origin);
  await visit.getByLabel('Set-up code').fill(fresh.setupCode!);
  await next(visit).click();
  await visit.getByRole('button', { name: 'Restore a backup here' }).click();
  const restore = visit.getByRole('button', { name: 'Restore', exact: true });
  await restore.click();
  await expect(visit.getByText('Choose the file of a backup.')).toBeVisible();
  await visit.getByLabel('File of the backup').setInputFiles(file);
  await restore.click();
  await expect(visit.getByText('This backup is encrypted. Type its passphrase.')).toBeVisible();
  await visit.getByLabel('Passphrase of the backup').fill('another one entirely');
  await restore.click();
  await expect(visit.getByText('This is not the passphrase of this backup.')).toBeVisible();
  await expectAccessible(visit, 'restoring a backup');
  await visit.getByLabel('Passphrase of the backup').fill(passphrase);
  await restore.click();

  // The gateway comes back as the old one, and knows its administrator.
  await expect(visit.getByRole('button', { name: 'Log in' })).toBeVisible({ timeout: 60_000 });
  await visit.getByLabel('Name').fill(ADMINISTRATOR.name);
  await visit.getByLabel('Password', { exact: true }).fill(ADMINISTRATOR.password);
  await visit.getByRole('button', { name: 'Log in' }).click();
  await expectHouse(visit);
  await visit.close();
  await fresh.stop();
});

for (const { locale, theme, title, heading: name } of [
  { locale: 'es-ES', theme: 'dark', title: 'Configura esta pasarela', heading: 'Demuestra que esta pasarela es tuya' },
  { locale: 'zh-CN', theme: 'light', title: '设置这个网关', heading: '证明这个网关是你的' },
] as const) {
  test(`the set-up speaks ${locale}, in the ${theme} theme`, async ({ browser, newGateway }) => {
    const page = await browser.newPage({ locale, colorScheme: theme, viewport: { width: 390, height: 844 } });
    await page.goto(newGateway.origin);
    await expect(page.getByRole('heading', { name: title })).toBeVisible();
    await expect(heading(page, name)).toBeVisible();
    await expectAccessible(page, `the set-up in ${locale}`);
    await page.locator('input').fill(newGateway.setupCode!);
    await page.locator('button[type=submit]').click();
    await expect(page.getByRole('radio').first()).toBeVisible();
    await expectAccessible(page, `name and language in ${locale}`);
    await page.close();
  });
}
