import { expectAccessible } from '../support/accessibility.ts';
import { ADMINISTRATOR, VIEWER } from '../support/gateway.ts';
import { expect, expectHouse, logIn, test } from '../support/test.ts';

test('log out, a wrong password, log in', async ({ home, watch }) => {
  watch.tolerate(/status of 401/);
  await home.getByRole('link', { name: 'Settings' }).click();
  await expect(home.getByRole('heading', { name: 'Settings', level: 1 })).toBeVisible();
  await expectAccessible(home, 'the settings');
  await home.getByRole('button', { name: 'Log out', exact: true }).click();
  await expect(home.getByRole('button', { name: 'Log in' })).toBeVisible();
  await expectAccessible(home, 'the log-in');

  await home.getByLabel('Name').fill(ADMINISTRATOR.name);
  await home.getByLabel('Password', { exact: true }).fill('not this one');
  await home.getByRole('button', { name: 'Log in' }).click();
  await expect(home.getByRole('alert')).toContainText('Name or password is wrong.');
  await home.getByLabel('Password', { exact: true }).fill(ADMINISTRATOR.password);
  await home.getByRole('button', { name: 'Log in' }).click();
  // Where one was before: in the settings.
  await expect(home.getByRole('button', { name: 'Log out', exact: true })).toBeVisible();
  await home.getByRole('link', { name: 'Rooms' }).click();
  await expectHouse(home);
});

test('a viewer ends what is open elsewhere, stays here, and leaves here too when asked', async ({
  page,
  gateway,
  browser,
  watch,
}) => {
  // The page that was ended asks once more who is there.
  watch.tolerate(/status of 401/);
  await logIn(page, gateway, VIEWER);
  const friends = await browser.newContext({ locale: 'en-GB' });
  const forgotten = await friends.newPage();
  await logIn(forgotten, gateway, VIEWER);
  await page.getByRole('link', { name: 'Settings' }).click();
  const open = page.getByRole('button', { name: 'Log out everywhere' });
  await open.click();
  await expect(page.getByRole('radio', { name: 'Stays logged in' })).toBeChecked();
  await expect(page.getByText('Your tokens for scripts'), 'a viewer has none').toBeHidden();
  await expectAccessible(page, 'the question before logging out everywhere');
  await open.click();
  // Tests before this one may have left more of them.
  await expect(page.getByText(/^Logged out in .+ other browsers?\.$/).first()).toBeVisible();
  // The open page elsewhere loses its stream at once, and the house with it.
  await expect(forgotten.getByRole('button', { name: 'Log in' })).toBeVisible();
  await friends.close();

  await open.click();
  await page.getByText('Logs out too').click();
  await open.click();
  await expect(page.getByRole('button', { name: 'Log in' })).toBeVisible();
  await page.reload();
  await expect(page.getByRole('button', { name: 'Log in' })).toBeVisible();
});

test('the page speaks English, Spanish and Chinese', async ({ home }) => {
  await home.getByRole('link', { name: 'Settings' }).click();
  const html = home.locator('html');
  for (const [name, tag, heading] of [
    ['Español', 'es', 'Ajustes'],
    ['简体中文', 'zh-Hans', '设置'],
    ['English', 'en', 'Settings'],
  ] as const) {
    await home.getByRole('radio', { name, exact: true }).check();
    await expect(html).toHaveAttribute('lang', tag);
    await expect(home.getByRole('heading', { level: 1 })).toHaveText(heading);
    await expectAccessible(home, `the settings in ${name}`);
  }
  // The choice outlives a reload.
  await home.getByRole('radio', { name: 'Español', exact: true }).check();
  await home.reload();
  await expect(html).toHaveAttribute('lang', 'es');
});

test('the settings say how to connect a phone', async ({ home }) => {
  await home.getByRole('link', { name: 'Settings' }).click();
  const main = home.getByRole('main');
  await expect(main).toContainText('127.0.0.1');
  await expect(main).toContainText('mosquitto_sub');
});
