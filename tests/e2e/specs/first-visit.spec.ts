import { expectAccessible } from '../support/accessibility.ts';
import { ADMINISTRATOR } from '../support/gateway.ts';
import { expect, expectHouse, test, tile } from '../support/test.ts';

test('the first visitor sets the gateway up and sees the house', async ({ page, newGateway, watch }) => {
  // The answers to a wrong code show in the console of the browser.
  watch.tolerate(/status of 403/);
  await page.goto(newGateway.origin);
  await expect(page.getByRole('heading', { name: 'Set up this gateway' })).toBeVisible();
  await expectAccessible(page, 'the set-up, step 1');

  const code = page.getByLabel('Set-up code');
  await page.getByRole('button', { name: 'Continue' }).click();
  await expect(page.getByText('Type the set-up code.')).toBeVisible();
  await expect(code).toBeFocused();

  await code.fill('AAAA-AAAA');
  await page.getByRole('button', { name: 'Continue' }).click();
  const name = page.getByLabel('Name');
  const password = page.getByLabel('Password', { exact: true });
  const again = page.getByLabel('Password again');
  await expect(name).toBeFocused();
  await expectAccessible(page, 'the set-up, step 2');

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
  await again.fill(ADMINISTRATOR.password);

  // A wrong code leads back to it, with what was typed still there.
  await finish.click();
  await expect(page.getByText('That is not the set-up code.', { exact: false })).toBeVisible();
  expect(newGateway.setupCode).not.toBeNull();
  await code.fill(newGateway.setupCode!);
  await page.getByRole('button', { name: 'Continue' }).click();
  await expect(name).toHaveValue(ADMINISTRATOR.name);
  await finish.click();

  await expectHouse(page);
  for (const room of ['Living room', 'Kitchen', 'Bathroom', 'Hall']) {
    await expect(page.getByRole('heading', { name: room, exact: true })).toBeVisible();
  }
  // The sensors of this machine are real; the house is made up, and says so.
  await expect(tile(page, 'Living room climate')).toContainText('Simulated');
  await expect(tile(page, 'This machine')).not.toContainText('Simulated');

  // The log-in outlives a reload.
  await page.reload();
  await expectHouse(page);
});
