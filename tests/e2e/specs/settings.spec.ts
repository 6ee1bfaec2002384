import { expectAccessible } from '../support/accessibility.ts';
import { ADMINISTRATOR } from '../support/gateway.ts';
import { expect, expectHouse, test } from '../support/test.ts';

test('log out, a wrong password, log in', async ({ home, watch }) => {
  watch.tolerate(/status of 401/);
  await home.getByRole('link', { name: 'Settings' }).click();
  await expect(home.getByRole('heading', { name: 'Settings', level: 1 })).toBeVisible();
  await expectAccessible(home, 'the settings');
  await home.getByRole('button', { name: 'Log out' }).click();
  await expect(home.getByRole('button', { name: 'Log in' })).toBeVisible();
  await expectAccessible(home, 'the log-in');

  await home.getByLabel('Name').fill(ADMINISTRATOR.name);
  await home.getByLabel('Password', { exact: true }).fill('not this one');
  await home.getByRole('button', { name: 'Log in' }).click();
  await expect(home.getByRole('alert')).toContainText('Name or password is wrong.');
  await home.getByLabel('Password', { exact: true }).fill(ADMINISTRATOR.password);
  await home.getByRole('button', { name: 'Log in' }).click();
  // Where one was before: in the settings.
  await expect(home.getByRole('button', { name: 'Log out' })).toBeVisible();
  await home.getByRole('link', { name: 'Rooms' }).click();
  await expectHouse(home);
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
