/** The header as it is now, what is wrong there, what can be added, and which thing is which. */
import type { Page } from '@playwright/test';
import { expectAccessible } from '../support/accessibility.ts';
import { ADMINISTRATOR, type Gateway, startGateway } from '../support/gateway.ts';
import { expect, test } from '../support/test.ts';

/** A 1-Wire bus on which two more probes lie, a bell, and a relay that fires at every power-on. */
const HOUSE = `[[device]]
id = "cellar"
name = "Cellar"
driver = "ds18b20"
probe = "28-0000055e2f3b"
every = "2s"

[[device]]
id = "bell"
name = "Bell"
driver = "input"
pin = 24

[[device]]
id = "pump"
name = "Pump"
driver = "output"
pin = 6
safe = "off"
max_on = "1h"

[[device]]
id = "tank"
name = "Tank"
driver = "hc-sr04"
trigger = 20
echo = 21
`;

/** A probe that nobody uses, as the simulated bus has it. */
const PROBE = '28-00000b3f41c2';

async function enter(page: Page, gateway: Gateway, path: string): Promise<void> {
  await page.goto(gateway.origin);
  await page.getByLabel('Name').fill(ADMINISTRATOR.name);
  await page.getByLabel('Password', { exact: true }).fill(ADMINISTRATOR.password);
  await page.getByRole('button', { name: 'Log in' }).click();
  await expect(page.getByRole('article', { name: 'Pump' })).toBeVisible();
  await page.goto(gateway.origin + path);
}

/** Does something in the simulated house. */
async function play(page: Page, body: object): Promise<void> {
  const status = await page.evaluate(async (text) => {
    const headers = { 'content-type': 'application/json' };
    return (await fetch('/api/v1/demo/inputs', { method: 'POST', headers, body: text })).status;
  }, JSON.stringify(body));
  expect(status).toBe(204);
}

test('each pin tells its function, who has it, its level and what is wrong', async ({ page }) => {
  const gateway = await startGateway([ADMINISTRATOR], HOUSE);
  await enter(page, gateway, '/wiring');
  const header = page.getByRole('group', { name: /^Header of/ });
  const facts = page
    .getByRole('main')
    .locator('section')
    .filter({ has: page.getByRole('heading', { name: /^Pin / }) });

  await header.getByRole('button', { name: '7 GPIO4 1-Wire, A driver of the kernel (onewire@4)' }).click();
  await expect(facts).toContainText('1-Wire bus onewire@4');
  await expect(facts.getByRole('button', { name: `Add: DS18B20 ${PROBE}` })).toBeVisible();
  await facts.locator('summary', { hasText: 'How DS18B20 is wired' }).click();
  await expect(facts.getByRole('img', { name: 'How DS18B20 is wired' })).toContainText('4.7 kΩ');
  await expect(facts.getByRole('row', { name: /DQ .*header pin 7/ })).toBeVisible();
  await expectAccessible(page, 'the pin of a 1-Wire bus');

  // Its level moves live with what the device says: the bell is active when it is low.
  const bell = header.locator('[data-pin="18"]');
  await bell.click();
  await expect(bell).toHaveClass(/\bhigh\b/);
  await expect(facts).toContainText('Level High');
  await play(page, { device: 'bell', on: true });
  await expect(bell).toHaveClass(/\blow\b/);
  await expect(facts).toContainText('Level Low');
  await expect(facts).toContainText('Alt2 DPI_D20');

  // Two things are wrong: the relay's pull, and 5 V of the echo.
  const troubles = page.getByRole('region', { name: 'To look at: 2' });
  await troubles.getByRole('button', { name: 'Pin 31 · GPIO6 · Pump' }).click();
  await expect(facts).toContainText(
    'This pin is pulled up from power-on until the gateway starts, which switches Pump.',
  );
  await expect(facts).toContainText('gpio=6=op,dl,pd');
  await expect(facts).toContainText('Better pins: GPIO12 (32)');
  await expectAccessible(page, 'a pin with a warning');
  await troubles.getByRole('button', { name: 'Pin 40 · GPIO21 · Tank' }).click();
  await expect(facts).toContainText('The line bears 3.3 V at most.');
  await expect(header.getByRole('button', { name: /^40 GPIO21 tank, .*, warning$/ })).toBeVisible();
  await page.close();
  await gateway.stop();
});

test('an output and a 1-Wire bus are added at a pin, and a relay that would fire is told before', async ({ page }) => {
  const gateway = await startGateway([ADMINISTRATOR], HOUSE);
  await enter(page, gateway, '/wiring');
  const header = page.getByRole('group', { name: /^Header of/ });
  // GPIO5 is pulled up at power-on: what switches on when it is low stays off.
  await header.getByRole('button', { name: /^29 GPIO5/ }).click();
  await page.getByRole('radio', { name: 'Output' }).check();
  await expect(page.getByRole('radio', { name: 'Low' })).toBeChecked();
  await expect(page.getByText('From power-on on it stays off here.')).toBeVisible();
  await page.getByRole('radio', { name: 'High' }).check();
  await expect(page.getByText(/From power-on until the gateway starts it would be on here/)).toBeVisible();
  await expectAccessible(page, 'an output that would fire');
  await page.getByRole('radio', { name: 'Low' }).check();
  await page.getByRole('button', { name: 'Add: As an output' }).click();
  const form = page.getByRole('form', { name: 'Add: As an output' });
  await form.getByLabel('Name').fill('Fountain');
  await form.getByRole('button', { name: 'Add' }).click();
  await expect(header.getByRole('button', { name: /^29 GPIO5 fountain, Our output, Fountain$/ })).toBeVisible();

  await header.getByRole('button', { name: /^36 GPIO16/ }).click();
  await page.getByRole('radio', { name: '1-Wire bus' }).check();
  await expect(page.getByText('There is a 1-Wire bus already, at GPIO4 (7).')).toBeVisible();
  await expect(page.getByText('dtoverlay=w1-gpio,gpiopin=16')).toBeVisible();
  await expectAccessible(page, 'a 1-Wire bus at a pin');
  await page.close();
  await gateway.stop();
});

test('which probe is it: warm it, press it, click it, and add it', async ({ page }) => {
  const gateway = await startGateway([ADMINISTRATOR], HOUSE);
  await enter(page, gateway, '/wiring/which');
  const probe = page.locator(`[data-candidate="${PROBE}"]`);
  await expect(probe).toContainText(/\d °C/);
  await page.getByRole('button', { name: 'Start' }).click();
  await expect(page.getByText('Touch nothing for a moment', { exact: false })).toBeVisible();
  await expect(page.getByRole('main').getByText('Now warm it in your hand.')).toBeVisible();
  await play(page, { device: PROBE, warm: 8 });
  await expect(page.getByRole('main').getByText(new RegExp(`It is ${PROBE}, \\d+% sure\\.`))).toBeVisible();
  await expect(probe).toContainText('This is the one');
  await expectAccessible(page, 'a probe that was found');
  await probe.getByRole('button', { name: `Add: ${PROBE}` }).click();
  await probe.getByRole('textbox', { name: 'Name' }).fill('Boiler');
  await probe.getByRole('button', { name: 'Add', exact: true }).click();
  await expect(probe.getByRole('link', { name: 'Boiler', exact: true })).toBeVisible();

  // The same with something that is pressed.
  await page.getByRole('radio', { name: 'An input' }).check();
  await page.getByRole('button', { name: 'Start' }).click();
  await expect(page.getByRole('main').getByText('Now press it, open it or turn it.')).toBeVisible();
  await play(page, { device: 'bell', on: true });
  await expect(page.locator('[data-candidate="bell"]')).toContainText('Perhaps this one');
  await play(page, { device: 'bell', on: false });
  await expect(page.getByRole('main').getByText(/It is Bell, \d+% sure\./)).toBeVisible();

  // An output is switched for a second, and back.
  const pump = page.getByRole('listitem').filter({ has: page.getByRole('heading', { name: 'Pump' }) });
  await pump.getByRole('button', { name: 'Click Pump' }).click();
  await expect(pump).toContainText('On');
  await expect(pump).toContainText('Off');
  await page.close();
  await gateway.stop();
});

for (const [locale, title] of [
  ['es-ES', '¿Cuál es?'],
  ['zh-CN', '是哪一个？'],
] as const) {
  test.describe(`in ${locale}`, () => {
    test.use({ locale, viewport: { width: 390, height: 844 } });
    test('the header and the search for a probe speak the reader’s language on a phone', async ({ page, gateway }) => {
      await page.goto(gateway.origin);
      await page.locator('input[autocomplete="username"]').fill(ADMINISTRATOR.name);
      await page.locator('input[type="password"]').fill(ADMINISTRATOR.password);
      await page.locator('button[type="submit"]').click();
      await expect(page.getByRole('article').first()).toBeVisible();
      await page.goto(`${gateway.origin}/wiring`);
      await page.locator('[data-pin="29"]').click();
      await expect(page.getByText('gpio=5=op,dl,pd')).toBeVisible();
      await expectAccessible(page, `the header in ${locale}`);
      await page.goto(`${gateway.origin}/wiring/which`);
      await expect(page.getByRole('link', { name: title })).toHaveAttribute('aria-current', 'page');
      await expect(page.locator(`[data-candidate="${PROBE}"]`)).toContainText(/\d\s?°C/);
      await expectAccessible(page, `which is it in ${locale}`);
    });
  });
}
