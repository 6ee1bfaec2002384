/** People and phones: pairing with a real MQTT client, taking back, tokens, the audit log. */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Page } from '@playwright/test';
import { expectAccessible } from '../support/accessibility.ts';
import { VIEWER } from '../support/gateway.ts';
import { expect, logIn, test } from '../support/test.ts';

const PHONE = { width: 390, height: 844 };
const DESKTOP = { width: 1200, height: 900 };

/** The value that stands beside a label in a list of fields. */
const field = (page: Page, label: string) =>
  page
    .locator('.fields dl > div')
    .filter({ has: page.getByText(label, { exact: true }) })
    .locator('code');

/** A phone as the page tells somebody to set it up. */
function connect(host: string, port: string, user: string, password: string): ChildProcess {
  const options = ['-h', host, '-p', port, '-u', user, '-P', password, '-t', 'home/#', '-i', 'pocket'];
  return spawn('mosquitto_sub', options, { stdio: 'ignore' });
}

test('a phone is paired, seen, and taken back', async ({ home }, info) => {
  await home.setViewportSize(PHONE);
  await home.getByRole('link', { name: 'People' }).click();
  await expect(home.getByRole('heading', { name: 'People and phones', level: 1 })).toBeVisible();
  await home.getByRole('button', { name: 'Pair a phone' }).first().click();
  await expectAccessible(home, 'the form of pairing');
  await home.getByRole('button', { name: 'Show the password' }).click();
  await expect(home.getByText('Type a name.')).toBeVisible();
  await home.getByLabel('What is it called').fill('pocket');
  await home.getByRole('button', { name: 'Show the password' }).click();

  await expect(home.getByRole('heading', { name: 'Connect ana:pocket' })).toBeFocused();
  const light = home.getByTestId('pairing-light');
  await expect(light).toHaveText('Waiting for it to connect');
  await expect(home.getByRole('img', { name: 'QR code: Address' })).toBeVisible();
  for (const colorScheme of ['light', 'dark'] as const) {
    await home.emulateMedia({ colorScheme });
    await expectAccessible(home, `the pairing, ${colorScheme}`);
    await home.screenshot({ path: info.outputPath(`pairing-${colorScheme}.png`), fullPage: true });
  }
  const [host, port, user, password] = await Promise.all(
    ['Name or address', 'Port', 'User', 'Password'].map((label) => field(home, label).innerText()),
  );
  const wrong = connect(host!, port!, user!, 'not this one');
  await expect(home.getByRole('alert').filter({ hasText: 'came a wrong password' })).toBeVisible();
  wrong.kill();
  const phone = connect(host!, port!, user!, password!);
  const ended = new Promise<void>((resolve) => phone.once('exit', () => resolve()));
  try {
    await expect(light).toHaveText('Connected from 127.0.0.1');
    await home.screenshot({ path: info.outputPath('paired.png') });
    await home.getByRole('button', { name: 'Done' }).click();
    const row = home.getByRole('listitem').filter({ hasText: 'pocket' });
    await expect(row).toContainText('Connected from 127.0.0.1');
    await expect(row).toContainText('Look and switch');
    await home.getByRole('link', { name: 'Connected now' }).click();
    await expect(home.getByRole('listitem').filter({ hasText: 'pocket' })).toContainText('ana:pocket');
    await expectAccessible(home, 'the connections');
    await home.getByRole('link', { name: 'People', exact: true }).last().click();
    await row.getByRole('button', { name: 'Change ana:pocket' }).click();
    await row.getByLabel('What ana:pocket may do').selectOption({ label: 'Look' });
    await expect(row.getByText('Look', { exact: true }).first()).toBeVisible();
    await row.getByRole('button', { name: 'Remove ana:pocket' }).click();
    await expect(row).toContainText('its password stops working');
    await expectAccessible(home, 'the question before a phone is removed');
    await row.getByRole('button', { name: 'Remove ana:pocket' }).click();
    await expect(home.getByText('No phone or device yet.').first()).toBeVisible();
  } finally {
    // It would try again for ever.
    phone.kill();
    await ended;
  }
});

test('people come and go, and one administrator stays', async ({ home, gateway, watch }, info) => {
  watch.tolerate(/status of 409/);
  await home.goto(`${gateway.origin}/people`);
  await home.getByRole('button', { name: 'Add a person' }).click();
  const form = home.getByRole('region', { name: 'Add a person' });
  await form.getByLabel('Name').fill('olga');
  await form.getByLabel('Password', { exact: true }).fill('a kite above the sea');
  await form.getByRole('radio', { name: 'Viewer: look' }).check();
  await form.getByRole('button', { name: 'Add' }).click();
  const olga = home.getByRole('region', { name: 'olga' });
  await expect(olga).toContainText('Viewer: look');
  await olga.getByRole('button', { name: 'Change olga' }).click();
  await olga.getByRole('radio', { name: 'Operator: look and switch' }).check();
  await olga.getByRole('button', { name: 'Save' }).click();
  await expect(olga).toContainText('Operator: look and switch');
  for (const [size, name] of [
    [PHONE, 'phone'],
    [DESKTOP, 'desktop'],
  ] as const) {
    await home.setViewportSize(size);
    for (const colorScheme of ['light', 'dark'] as const) {
      await home.emulateMedia({ colorScheme });
      await expectAccessible(home, `the people, ${name}, ${colorScheme}`);
      await home.screenshot({ path: info.outputPath(`people-${name}-${colorScheme}.png`), fullPage: true });
    }
  }
  await olga.getByRole('button', { name: 'Remove olga' }).click();
  await olga.getByRole('button', { name: 'Remove olga' }).click();
  await expect(olga).toHaveCount(0);
  const ana = home.getByRole('region', { name: 'ana' });
  await ana.getByRole('button', { name: 'Change ana' }).click();
  await ana.getByRole('radio', { name: 'Viewer: look' }).check();
  await ana.getByRole('button', { name: 'Save' }).click();
  await expect(ana.getByRole('alert').first()).toContainText('last administrator');
  await home.getByRole('link', { name: 'Audit log' }).click();
  await expect(home.getByRole('listitem').filter({ hasText: 'added olga' }).first()).toBeVisible();
  await expectAccessible(home, 'the audit log');
  await home.screenshot({ path: info.outputPath('log.png') });
});

test('a token is shown once and taken back, in three languages', async ({ home, gateway, request }, info) => {
  await home.goto(`${gateway.origin}/people/tokens`);
  await home.getByLabel('What is it for').fill('backup');
  await home.getByRole('button', { name: 'Make a token' }).click();
  const secret = await home.getByRole('status').locator('code').innerText();
  const headers = { authorization: `Bearer ${secret}` };
  expect((await request.get(`${gateway.origin}/api/v1/house`, { headers })).status()).toBe(200);
  await expectAccessible(home, 'a new token');
  await home.screenshot({ path: info.outputPath('token.png') });
  await home.reload();
  await expect(home.getByRole('main')).toContainText('ana/backup');
  await expect(home.getByRole('main')).not.toContainText(secret);
  const row = home.getByRole('listitem').filter({ hasText: 'ana/backup' });
  await row.getByRole('button', { name: 'Take back backup' }).click();
  await row.getByRole('button', { name: 'Take back backup' }).click();
  await expect(row).toHaveCount(0);
  expect((await request.get(`${gateway.origin}/api/v1/house`, { headers })).status()).toBe(401);

  for (const [name, heading] of [
    ['Español', 'Personas y teléfonos'],
    ['简体中文', '人员与手机'],
  ] as const) {
    await home.goto(`${gateway.origin}/settings`);
    await home.getByRole('radio', { name, exact: true }).check();
    for (const part of ['', '/pair', '/connections', '/tokens', '/log']) {
      await home.goto(`${gateway.origin}/people${part}`);
      await expect(home.getByRole('heading', { level: 1 })).toHaveText(heading);
      await expect(home.getByRole('main').getByRole('heading', { level: 2 }).first()).toBeAttached();
      await expectAccessible(home, `people${part} in ${name}`);
    }
    await home.goto(`${gateway.origin}/people/pair`);
    await home.setViewportSize(PHONE);
    await home.screenshot({ path: info.outputPath(`pair-${heading}.png`) });
  }
});

test('a viewer finds no people', async ({ page, gateway }) => {
  await logIn(page, gateway, VIEWER);
  await expect(page.getByRole('link', { name: 'People' })).toHaveCount(0);
  await page.goto(`${gateway.origin}/people`);
  await expect(page.getByRole('main')).toContainText('This is for administrators.');
});
