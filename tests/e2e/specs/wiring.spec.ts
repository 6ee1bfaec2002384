import { expectAccessible } from '../support/accessibility.ts';
import { ADMINISTRATOR, startGateway, VIEWER } from '../support/gateway.ts';
import { expect, logIn, test } from '../support/test.ts';

test('the header tells each pin, and is walked with the keyboard', async ({ home }) => {
  await home.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Wiring' }).click();
  await expect(home.getByRole('heading', { level: 1 })).toHaveText('Wiring');
  const header = home.getByRole('group', { name: /^Header of/ });
  await expect(header.getByRole('button')).toHaveCount(40);
  await header.getByRole('button', { name: /^11 GPIO17/ }).click();
  await expect(home.getByRole('link', { name: 'Front door' })).toBeVisible();
  await expectAccessible(home, 'the header with a pin chosen');

  // Down from pin 11 is pin 13, and right of that pin 14, which is ground.
  await home.keyboard.press('ArrowDown');
  await home.keyboard.press('ArrowRight');
  await expect(home.getByRole('heading', { name: /Pin 14 · GND/ })).toBeVisible();
  await header.getByRole('button', { name: /^32 GPIO12/ }).click();
  await home.getByRole('radio', { name: 'Output' }).check();
  await home.getByText('As text for the configuration').click();
  await expect(home.getByText('max_on = "1h"')).toBeVisible();
});

test('the buses tell what answers, and the chips how they are wired', async ({ home, gateway }) => {
  await home.goto(`${gateway.origin}/wiring/connected`);
  await expect(home.getByRole('link', { name: 'Used by Living room climate' })).toBeVisible();
  await expectAccessible(home, 'what is connected');

  await home.goto(`${gateway.origin}/wiring/chips`);
  await home.getByRole('textbox', { name: 'Search' }).fill('bme280');
  await home.getByText('bme280', { exact: true }).click();
  await expect(home.getByRole('img', { name: /How .*BME280 is wired/ })).toBeVisible();
  await expect(home.getByRole('row', { name: /SDA, header pin 3/ })).toBeVisible();
  await expectAccessible(home, 'a chip');
});

test('a viewer has no wiring, and is told so', async ({ page, gateway }) => {
  await logIn(page, gateway, VIEWER);
  const main = page.getByRole('navigation', { name: 'Main' });
  await expect(main.getByRole('link', { name: 'History' })).toBeVisible();
  await expect(main.getByRole('link', { name: 'Wiring' })).toHaveCount(0);
  await page.goto(`${gateway.origin}/wiring`);
  await expect(page.getByText('This is for administrators. Ask one of them.')).toBeVisible();
});

test('a demonstration says that its house goes before the first device of one’s own is added', async ({ page }) => {
  const gateway = await startGateway([ADMINISTRATOR], '');
  await logIn(page, gateway, ADMINISTRATOR);
  await page.goto(`${gateway.origin}/devices/heater`);
  // Its devices stand in no file, so nothing is asked of one: the console stays silent.
  await page.getByRole('button', { name: 'Open settings' }).click();
  await expect(page.getByText('stands in no configuration file')).toBeVisible();
  await page.goto(`${gateway.origin}/wiring/connected`);
  await page.getByRole('button', { name: /^Add/ }).first().click();
  await expect(page.getByRole('note')).toContainText(/demonstration’s \d+ devices will go/);
  await page.getByRole('textbox', { name: 'Name' }).fill('Cellar');
  await page.getByRole('button', { name: 'Add', exact: true }).first().click();
  await page.getByRole('link', { name: /Cellar/ }).click();
  await page.goto(gateway.origin);
  await expect(page.getByRole('article')).toHaveCount(1);
  await page.close();
  await gateway.stop();
});
