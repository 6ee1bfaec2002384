import type { Locator } from '@playwright/test';
import { expectAccessible } from '../support/accessibility.ts';
import { ADMINISTRATOR, startGateway } from '../support/gateway.ts';
import { expect, logIn, test } from '../support/test.ts';

const HOUSE = `
[gateway]
name = "Workshop"

[[device]]
id = "attic"
name = "Attic climate"
room = "Attic"
driver = "bme280"
bus = "i2c-1"
address = 0x76
every = "2s"

[[device]]
id = "living-room"
name = "Living room climate"
room = "Living room"
driver = "bme280"
bus = "i2c-1"
address = 0x77
every = "2s"
`;

const temperature = (group: Locator) => group.getByRole('checkbox', { name: /Temperature/ });

test('what was recorded of a device that is taken out is still drawn and taken away', async ({ page }) => {
  const gateway = await startGateway([ADMINISTRATOR], HOUSE);
  await logIn(page, gateway, ADMINISTRATOR);
  const table = page.getByRole('table');
  await page.goto(`${gateway.origin}/history?s=attic%2Ftemperature&range=1h`);
  // Readings reach the chart with the next commit of the history.
  await expect(async () => {
    await page.reload();
    await expect(table).toContainText(/Attic climate, Temperature.*\d\s°C/s, { timeout: 2_000 });
  }).toPass({ timeout: 60_000 });

  await page.goto(`${gateway.origin}/devices/attic`);
  await page.getByRole('button', { name: 'Open settings' }).click();
  const remove = page.getByRole('button', { name: 'Remove Attic climate' });
  await remove.click();
  await expect(page.getByText(/It is not read any more/)).toBeVisible();
  await remove.click();
  await expect(page.getByText('What was recorded of it stays in the history.')).toBeAttached();

  await page.goto(`${gateway.origin}/history`);
  const gone = page.getByRole('group', { name: 'No longer there' });
  await expect(page.getByRole('group', { name: 'Attic', exact: true })).toHaveCount(0);
  await temperature(gone).check();
  await expect(page).toHaveURL(/s=attic%2Ftemperature/);
  await expect(table).toContainText(/attic, Temperature.*\d\s°C/s);
  // Beside one that is there, and beside itself at another time.
  await temperature(page.getByRole('group', { name: 'Living room' })).check();
  await page.getByLabel('Compare with').selectOption('The time just before');
  await expect(table.getByRole('row')).toHaveCount(5);
  await expectAccessible(page, 'a chart of a device that is gone');

  await page.goto(`${gateway.origin}/history/export`);
  await page.getByLabel('Only these').check();
  await temperature(gone).check();
  // What waits for its commit is not in a file yet.
  await expect(async () => {
    const [file] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'Download' }).click(),
    ]);
    const rows: string[] = [];
    for await (const piece of await file.createReadStream()) rows.push(String(piece));
    expect(rows.join('')).toMatch(/,attic\/temperature,number,/);
  }).toPass({ timeout: 60_000 });

  await page.close();
  await gateway.stop();
});
