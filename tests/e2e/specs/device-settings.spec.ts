/** The page of a device: its chart under the hand, its settings, its calibration, its end. */
import { expectAccessible } from '../support/accessibility.ts';
import { ADMINISTRATOR, startGateway, VIEWER } from '../support/gateway.ts';
import { expect, logIn, test, tile } from '../support/test.ts';

const HOUSE = `# My house.

[[device]]
id = "living-room"
name = "Living room climate"
room = "Living room"
driver = "bme280"
bus = "i2c-1"
address = 0x76
every = "2s" # often enough

# The fan over the stove.
[[device]]
id = "fan"
name = "Fan"
driver = "output"
pin = 17
safe = "off"
max_on = "1h"
`;

test('the chart is zoomed, moved, and draws several values together', async ({ home, gateway }) => {
  await home.goto(`${gateway.origin}/devices/living-room?range=15m`);
  const chart = home.getByRole('slider', { name: 'History of Temperature' });
  await expect(home.getByText(/^(Each point stands|Every reading)/)).toBeVisible({ timeout: 60_000 });
  await home.getByRole('checkbox', { name: 'Humidity' }).check();
  await expect(home.getByRole('table', { name: 'Humidity' })).toContainText('%', { timeout: 60_000 });
  await expect(chart).toHaveAttribute('aria-valuetext', /Humidity: [\d.]+\s%/);

  // Nearer and back in time, with the keyboard.
  await chart.focus();
  for (let times = 0; times < 4; times += 1) await home.keyboard.press('+');
  await expect(home.getByRole('button', { name: 'Latest' })).toBeVisible();
  const before = await home.locator('.span').innerText();
  await home.keyboard.press('Shift+ArrowLeft');
  await expect(home.locator('.span')).not.toHaveText(before);
  await expectAccessible(home, 'the chart of a device');
  await home.getByRole('button', { name: 'Latest' }).click();
  await expect(home.getByRole('link', { name: '15 min' })).toHaveAttribute('aria-current', 'true');
});

test('what happened is marked below the chart, with its cause', async ({ home, gateway }) => {
  await home.goto(`${gateway.origin}/devices/porch-light?range=15m`);
  const control = home.getByRole('main').getByRole('switch');
  await expect(control).toHaveAttribute('aria-busy', 'false');
  await control.click();
  await expect(control).toHaveAttribute('aria-checked', 'true');
  const marks = home.getByRole('group', { name: 'What happened in this time' });
  // Events reach the history with its next commit.
  const mark = marks.getByRole('button').last();
  await expect(mark).toBeVisible({ timeout: 60_000 });
  await expect
    .poll(
      async () => {
        await mark.click();
        const text = await home.getByRole('main').innerText();
        await mark.click();
        return text.match(/Switched on by ana on the page/g)?.length ?? 0;
      },
      { timeout: 60_000 },
    )
    .toBeGreaterThan(1);
  await home.getByRole('button', { name: 'Blink' }).click();
  await expect(home.getByRole('button', { name: 'Blink' })).toHaveAttribute('aria-disabled', 'false');
  await control.click();
});

test('a device is calibrated, renamed and taken out, with everything else as it was', async ({ page }) => {
  const gateway = await startGateway([ADMINISTRATOR, VIEWER], HOUSE);
  try {
    await logIn(page, gateway, ADMINISTRATOR);
    await tile(page, 'Living room climate').getByRole('link').click();
    await page.getByRole('button', { name: 'Open settings' }).click();
    const preview = page.getByRole('button', { name: 'Show what changes' });

    // It shows so much, and it should be two degrees more.
    await page.getByRole('button', { name: 'Take what it shows now' }).click();
    const shows = page.getByLabel('It shows');
    await expect(shows).not.toHaveValue('');
    const before = Number(await shows.inputValue());
    await page.getByLabel('It should be').fill(String(before + 2));
    await preview.last().click();
    await expect(page.getByText('What changes in the configuration')).toBeFocused();
    await expect(page.getByText(/calibrate\.temperature = \{ offset = (2|2\.0) \}/)).toBeVisible();
    await expectAccessible(page, 'the preview of a calibration');
    await page.getByRole('button', { name: 'Save', exact: true }).click();
    await expect(page.getByText('Now: times 1.0000, plus 2.000')).toBeVisible();
    await expect.poll(async () => Number(/(-?[\d.]+)\s°C/.exec(await page.title())?.[1])).toBeGreaterThan(before + 1);

    await page.getByLabel('Name', { exact: true }).fill('');
    await preview.first().click();
    await expect(page.getByText('A device needs a name.')).toBeVisible();
    await page.getByLabel('Name', { exact: true }).fill('Parlour');
    await page.getByRole('textbox', { name: 'every' }).fill('soon');
    await preview.first().click();
    await expect(page.getByText('What has to be mended')).toBeVisible();
    await page.getByRole('button', { name: 'Cancel', exact: true }).click();
    await page.getByRole('textbox', { name: 'every' }).fill('5s');
    await preview.first().click();
    await expect(page.getByText('every = "5s" # often enough')).toBeVisible();
    await page.getByRole('button', { name: 'Save', exact: true }).click();
    await expect(page.getByRole('heading', { level: 1 })).toHaveText('Parlour');

    await page.goto(`${gateway.origin}/devices/fan`);
    await page.getByRole('button', { name: 'Open settings' }).click();
    await page.getByRole('button', { name: 'Remove Fan' }).click();
    await expect(page.getByText(/driven to its safe level/)).toBeVisible();
    await expectAccessible(page, 'the question before a device is taken out');
    await page.getByRole('button', { name: 'Remove Fan' }).click();
    await expect(tile(page, 'Parlour')).toBeVisible();
    await expect(tile(page, 'Fan')).toHaveCount(0);
    const text = await page.evaluate(async () => (await (await fetch('/api/v1/configuration')).json()).text);
    expect(text).toContain('# My house.');
    expect(text).toContain('every = "5s" # often enough');
    expect(text).not.toContain('fan');
  } finally {
    await page.close();
    await gateway.stop();
  }
});

test('who may not configure sees no settings', async ({ page, gateway }) => {
  await logIn(page, gateway, VIEWER);
  await page.goto(`${gateway.origin}/devices/heater`);
  await expect(page.getByRole('heading', { name: 'Why did it switch?' })).toBeVisible();
  await expect(page.getByRole('button', { name: 'Open settings' })).toHaveCount(0);
  await expect(page.getByRole('button', { name: 'Blink' })).toHaveCount(0);
});
