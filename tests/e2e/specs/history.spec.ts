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

  await home.getByLabel('Compare with the time before').check();
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

test('the time machine shows the house as it was', async ({ home, gateway }) => {
  // What was known a moment ago: the readings of this gateway's first seconds have to be committed first.
  await expect
    .poll(
      async () => {
        await home.goto(`${gateway.origin}/history/moment?at=${Date.now()}`);
        await expect(home.getByLabel('Moment')).toBeVisible();
        await expect(home.getByText('Loading', { exact: true }).filter({ visible: true })).toHaveCount(0);
        return home.getByRole('main').innerText();
      },
      { timeout: 60_000 },
    )
    .toMatch(/Living room climate[^]*°C[^]*since/);
  await expectAccessible(home, 'the time machine');
  await home.getByRole('button', { name: '1 d back' }).click();
  await expect(home.getByRole('main')).toContainText('Nothing was known at this moment');
});

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
