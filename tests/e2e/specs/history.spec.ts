import type { Page } from '@playwright/test';
import { expectAccessible } from '../support/accessibility.ts';
import { expect, test, tile } from '../support/test.ts';

test('several values are drawn in one chart, and its address brings it back', async ({ home, gateway }) => {
  await home.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'History' }).click();
  await expect(home.getByRole('heading', { level: 1 })).toHaveText('History');
  await home
    .getByRole('group', { name: 'Kitchen' })
    .getByRole('checkbox', { name: /Temperature/ })
    .check();
  await home
    .getByRole('group', { name: 'Kitchen' })
    .getByRole('checkbox', { name: /Humidity/ })
    .check();
  await expect(home).toHaveURL(/s=kitchen%2Ftemperature&s=kitchen%2Fhumidity/);
  const table = home.getByRole('table');
  await expect(table.getByRole('row')).toHaveCount(3);
  // Readings reach the chart with the next commit of the history.
  await expect
    .poll(
      async () => {
        await home.reload();
        await expect(table.getByRole('row')).toHaveCount(3);
        return table.innerText();
      },
      { timeout: 60_000 },
    )
    .toMatch(/\d\s°C[^]*\d\s%/);

  await home.getByLabel('Compare with').selectOption('The time just before');
  await expect(table.getByRole('row')).toHaveCount(5);
  // A stretch that was zoomed into stands in the address, so the page before is gone and the next shows the same.
  await home.getByRole('button', { name: 'Zoom in' }).click();
  await expect(home).toHaveURL(/from=\d+&to=\d+&compare=1/);
  await expectAccessible(home, 'a chart of several values');
  const address = home.url();
  await home.goto(gateway.origin);
  await home.goto(address);
  await expect(home.getByRole('table').getByRole('row')).toHaveCount(5);
});

test('a stretch is compared with one of another year or date', async ({ home, gateway }) => {
  await home.goto(`${gateway.origin}/history?s=kitchen%2Ftemperature&range=1y`);
  const table = home.getByRole('table');
  await expect(table.getByRole('row')).toHaveCount(2);
  const choice = home.getByLabel('Compare with');
  await choice.selectOption('A year earlier');
  await expect(home).toHaveURL(/range=1y&compare=year$/);
  // The demonstration has recorded since a moment ago: the year before is there, and said to be empty.
  const other = table.getByRole('row').nth(2);
  const year = new Date().getFullYear();
  await expect(other).toContainText(new RegExp(`Temperature.*${year - 2}.* – .*${year - 1}`));
  await expect(home.getByText(/^Nothing was recorded then: /)).toBeVisible();

  await choice.selectOption('From a date');
  await home.getByLabel('Date', { exact: true }).fill('2025-03-01');
  await expect(home).toHaveURL(/compare=2025-03-01$/);
  await expect(other).toContainText(/1 Mar 2025.* – .*1 Mar 2026/);
  await expectAccessible(home, 'a chart beside one of another date');
  await home.reload();
  await expect(home.getByLabel('Date', { exact: true })).toHaveValue('2025-03-01');
  await expect(other).toContainText('1 Mar 2025');

  // An address that was bookmarked when there was no choice.
  await home.goto(`${gateway.origin}/history?s=kitchen%2Ftemperature&range=1h&compare=1`);
  await expect(choice).toHaveValue('before');
  // By keyboard: the first of the list takes the other lines away.
  await choice.focus();
  await home.keyboard.press('Home');
  await expect(home).not.toHaveURL(/compare/);
  await expect(table.getByRole('row')).toHaveCount(2);
});

test('the log says who switched what, and finds it', async ({ home, gateway }) => {
  await tile(home, 'Light').getByRole('switch').click();
  await home.goto(`${gateway.origin}/history/events`);
  const log = home.getByRole('main');
  await expect(log).toContainText(/Switched (on|off) by ana on the page/);
  await expectAccessible(home, 'the log of events');

  await home.getByRole('textbox', { name: 'Search' }).fill('nobody ever wrote this');
  await expect(log).toContainText('Nothing of this kind happened.');
  await home.getByRole('textbox', { name: 'Search' }).fill('hall-light');
  await expect(log.getByRole('link', { name: 'Light', exact: true }).first()).toBeVisible();
});

test('the time machine is the house as it was, and nothing can be switched there', async ({ home, gateway }) => {
  const light = tile(home, 'Light');
  const lightSwitch = light.getByRole('switch');
  if ((await lightSwitch.getAttribute('aria-checked')) === 'true') await lightSwitch.click();
  await expect(lightSwitch).toHaveAttribute('aria-checked', 'false');
  // A moment at which the light is known to be off, and one after it was switched on.
  const off = await recorded(home, 'hall-light/power', 'OFF');
  // A relay that was just switched off stays off for half a second, and refuses until then.
  await expect(async () => {
    if ((await lightSwitch.getAttribute('aria-checked')) === 'false') await lightSwitch.click();
    await expect(lightSwitch).toHaveAttribute('aria-checked', 'true', { timeout: 2_000 });
  }).toPass();
  const on = await recorded(home, 'hall-light/power', 'ON');

  const rooms = await home.getByRole('heading', { level: 2 }).allInnerTexts();
  const commands: string[] = [];
  home.on('request', (request) => {
    if (request.method() === 'POST' && request.url().endsWith('/set')) commands.push(request.url());
  });
  await home.goto(`${gateway.origin}/history/moment?at=${off}`);
  await expect(light).toHaveAttribute('data-state', 'live');
  await expect(lightSwitch).toHaveAttribute('aria-checked', 'false');
  await expect(light).toContainText(/Off for \d+/);
  await expect(tile(home, 'Living room climate')).toContainText(/\d\s°C/);
  expect((await home.getByRole('heading', { level: 2 }).allInnerTexts()).slice(1)).toEqual(rooms);
  await expectAccessible(home, 'the time machine');

  // Controls are drawn, and do nothing: what was cannot be switched.
  await expect(lightSwitch).toHaveAttribute('aria-disabled', 'true');
  await lightSwitch.click({ force: true });
  await expect(home.getByRole('main')).toContainText('nobody switches the past');

  await home.goto(`${gateway.origin}/history/moment?at=${on}`);
  await expect(light).toHaveAttribute('data-state', 'on');
  await expect(home.getByRole('status').filter({ hasText: 'The house on' })).toHaveCount(1);
  expect(commands).toEqual([]);
  // The present moves on; the moment stays.
  const before = await light.innerText();
  await home.evaluate(() =>
    fetch('/api/v1/devices/hall-light/properties/power/set', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"value":"OFF"}',
    }),
  );
  await recorded(home, 'hall-light/power', 'OFF');
  expect(await light.innerText()).toBe(before);

  // A tile leads to what was measured around the moment, and back.
  await tile(home, 'Kitchen climate').getByRole('link').click();
  await expect(home).toHaveURL(new RegExp(`s=kitchen%2Ftemperature&from=${on - 1_800_000}&to=${on + 1_800_000}`));
  await home.goBack();
  await expect(light).toHaveAttribute('data-state', 'on');
  await home.getByRole('link', { name: 'Now', exact: true }).click();
  await expect(home.getByRole('button', { name: 'Arrange' })).toBeVisible();
});

test('the time machine goes by steps and by keys, within what is recorded', async ({ home, gateway }) => {
  const begin = await recordingBegan(home);
  await home.getByRole('link', { name: 'As it was' }).click();
  // The address of what is shown can be sent to somebody.
  await expect(home).toHaveURL(/at=\d+/);
  const at = () => Number(new URL(home.url()).searchParams.get('at'));
  const opened = at();
  expect(opened).toBeGreaterThanOrEqual(begin);
  expect(opened).toBeLessThanOrEqual(begin + 61_000);
  const slider = home.getByRole('slider', { name: 'Moment, within all that is recorded' });
  const told = home.getByRole('status').filter({ hasText: 'The house on' });
  const first = await told.innerText();

  await home.getByRole('button', { name: '1 min back' }).click();
  await expect.poll(at).toBe(Math.max(opened - 60_000, begin));
  await expect(told).not.toHaveText(first);
  await slider.press('Home');
  await expect.poll(at).toBe(begin);
  await expect(slider).toHaveJSProperty('value', String(begin));
  await expect(home.getByRole('button', { name: '1 d back' })).toHaveAttribute('aria-disabled', 'true');
  await slider.press('ArrowRight');
  await expect.poll(at).toBeGreaterThan(begin);
  const moved = at();
  expect(moved).toBeLessThanOrEqual(begin + 60_000);
  await slider.press('End');
  await expect.poll(at).toBeGreaterThanOrEqual(moved);
  await slider.press('Home');
  await expect.poll(at).toBe(begin);

  // Before the recording there is nothing; what comes nearest is shown, and said so.
  await home.goto(`${gateway.origin}/history/moment?at=${begin - 86_400_000}`);
  await expect(home.getByRole('main')).toContainText('Nothing was recorded before.');
  await expect(slider).toHaveJSProperty('value', String(begin));
  await home.getByLabel('Date and time').fill('2001-01-01T10:00');
  await expect.poll(at).toBe(begin);
});

/** When the gateway began to record, in milliseconds since 1970. */
const recordingBegan = (page: Page) =>
  page.evaluate(async () => {
    const series = (await (await fetch('/api/v1/history/series')).json()) as { since: string }[];
    return Math.min(...series.map(({ since }) => Date.parse(since)));
  });

/** A moment, soon, at which the history knows this value. */
async function recorded(page: Page, series: string, value: string): Promise<number> {
  let at = 0;
  await expect
    .poll(
      async () => {
        const answer = await page.evaluate(async () => {
          const moment = await (await fetch('/api/v1/history/as-of')).json();
          return moment as { at: string; values: { series: string; value: unknown }[] };
        });
        at = Date.parse(answer.at);
        return answer.values.find((known) => known.series === series)?.value;
      },
      { timeout: 60_000 },
    )
    .toBe(value);
  return at;
}

test('what was recorded can be taken away', async ({ home, gateway }) => {
  await home.goto(`${gateway.origin}/history/export`);
  await expectAccessible(home, 'the export');
  await home.getByLabel('Only these').check();
  await expect(home.getByText('Choose at least one value.')).toBeVisible();
  await home
    .getByRole('group', { name: 'Kitchen' })
    .getByRole('checkbox', { name: /Temperature/ })
    .check();
  const [file] = await Promise.all([
    home.waitForEvent('download'),
    home.getByRole('link', { name: 'Download' }).click(),
  ]);
  expect(file.suggestedFilename()).toMatch(/\.csv$/);
});
