import { X509Certificate } from 'node:crypto';
import { expectAccessible } from '../support/accessibility.ts';
import { ADMINISTRATOR, freePort, startGateway, VIEWER } from '../support/gateway.ts';
import { expect, logIn, test } from '../support/test.ts';

const HOUSE = `# The lamp over the table.
[[device]]
id = "lamp"
name = "Lamp"
driver = "output"
pin = 6
safe = "off"
max_on = "1h"
`;

/** Another name for people, and another limit: what the device does changes. */
const FAN = HOUSE.replace('"Lamp"', '"Fan"').replace('"1h"', '"2h"');

test('the configuration is checked, compared, saved and taken back', async ({ page }) => {
  const gateway = await startGateway([ADMINISTRATOR], HOUSE);
  await page.goto(gateway.origin);
  await page.getByLabel('Name').fill(ADMINISTRATOR.name);
  await page.getByLabel('Password', { exact: true }).fill(ADMINISTRATOR.password);
  await page.getByRole('button', { name: 'Log in' }).click();
  await expect(page.getByRole('article', { name: 'Lamp' })).toBeVisible();
  await page.goto(`${gateway.origin}/system/configuration`);
  const editor = page.getByRole('textbox', {
    name: 'Text of the configuration',
  });
  await expect(editor).toHaveValue(HOUSE);
  await expect(page.getByText('No mistake found.')).toBeVisible();

  // A mistake is told with its place, and leads there.
  await editor.fill(HOUSE.replace('"off"', '"of"'));
  const place = page.getByRole('button', { name: /^Line 7, column/ });
  await place.click();
  await expect(editor).toBeFocused();
  expect(
    await editor.evaluate((area: HTMLTextAreaElement) => area.value.slice(area.selectionStart).startsWith('"of"')),
  ).toBe(true);
  await expectAccessible(page, 'a configuration with a mistake');

  // What changes is shown before it is saved, and is taken back at once when asked for.
  await editor.fill(FAN);
  const changes = page.getByRole('region', { name: 'What changes' });
  await expect(changes.getByText('name = "Fan"')).toBeVisible();
  await expect(page.getByText('No mistake found.')).toBeVisible();
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByRole('heading', { name: 'A change waits for you' })).toBeFocused();
  await expect(page.getByText('Changed devices: lamp')).toBeVisible();
  await expectAccessible(page, 'a change that waits to be confirmed');
  await page.getByRole('button', { name: 'Take it back now' }).click();
  await expect(editor).toHaveValue(HOUSE);

  // An earlier text comes back into the editor; what is confirmed stays.
  await page.getByRole('button', { name: 'Open in the editor' }).first().click();
  await expect(editor).toHaveValue(FAN);
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('button', { name: 'Keep the change' }).click();
  await expect(page.getByRole('heading', { name: 'A change waits for you' })).toBeHidden();
  await page.goto(gateway.origin);
  await expect(page.getByRole('article', { name: 'Fan' })).toBeVisible();

  // A pin that is free becomes an input, in the room that is named.
  await page.goto(`${gateway.origin}/wiring`);
  await page.getByRole('button', { name: /^7 GPIO4/ }).click();
  await page.getByRole('button', { name: 'Add: As an input' }).click();
  const form = page.getByRole('form', { name: 'Add: As an input' });
  await form.getByLabel('Name').fill('Back door');
  await form.getByLabel('Room (optional)').fill('Hall');
  await expectAccessible(page, 'a device that is added');
  await form.getByRole('button', { name: 'Add' }).click();
  // The form offers it, and so does the pin as soon as it is known to be taken.
  await page.getByRole('link', { name: /^(Open )?Back door$/ }).first().click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Back door');

  // Who looked at the page before finds the text of now.
  await page.goto(`${gateway.origin}/system/configuration`);
  await expect(editor).toHaveValue(/id = "back-door"/);
  await page.close();
  await gateway.stop();
});

test('backups that make themselves are set up as a change of the configuration', async ({ page }) => {
  const gateway = await startGateway([ADMINISTRATOR], HOUSE);
  await page.goto(gateway.origin);
  await page.getByLabel('Name').fill(ADMINISTRATOR.name);
  await page.getByLabel('Password', { exact: true }).fill(ADMINISTRATOR.password);
  await page.getByRole('button', { name: 'Log in' }).click();
  await expect(page.getByRole('article', { name: 'Lamp' })).toBeVisible();
  await page.goto(`${gateway.origin}/system/backup`);
  await expect(page.getByText('/usr/share/doc/gatehouse/docs/backup.md')).toBeVisible();
  await page.getByText('Set up or change').click();
  const folder = page.getByLabel('Folder', { exact: true });
  await expect(folder).toHaveValue('/media/backup/gatehouse');
  await folder.fill('stick');
  await page.getByLabel('How many are kept').fill('30');
  const show = page.getByRole('button', { name: 'Show the change' });
  await show.click();
  await expect(folder).toBeFocused();
  await expect(page.getByText('Write a path that begins with /.')).toBeVisible();
  await expectAccessible(page, 'the form for backups');
  await folder.fill('/media/stick/gatehouse');
  await show.click();
  const changes = page.getByRole('region', { name: 'What changes' });
  await expect(changes.getByText('folder = "/media/stick/gatehouse"')).toBeVisible();
  await expect(changes.getByText('keep = 30')).toBeVisible();
  await expect(page.getByText('No mistake found.')).toBeVisible();
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('button', { name: 'Keep the change' }).click();
  await expect(page.getByRole('textbox', { name: 'Text of the configuration' })).toHaveValue(/^\[backup\]$/m);
  // The form goes on with what is there.
  await page.goto(`${gateway.origin}/system/backup`);
  await page.getByText('Set up or change').click();
  await expect(folder).toHaveValue('/media/stick/gatehouse');
  await page.goto('about:blank');
  await gateway.stop();
});

test('the demonstration shows its configuration and says why it cannot be changed', async ({ home, gateway }) => {
  await home.goto(`${gateway.origin}/system/configuration`);
  await expect(home.getByText(/It can be read here, and not changed\./)).toBeVisible();
  await expect(home.getByRole('textbox', { name: 'Text of the configuration' })).toHaveAttribute('readonly');
});

test('a viewer has no system page', async ({ page, gateway }) => {
  await logIn(page, gateway, VIEWER);
  await page.goto(`${gateway.origin}/system`);
  await expect(page.getByText('This is for administrators. Ask one of them.')).toBeVisible();
});

test('health, network and certificate are told in words', async ({ page, gateway }) => {
  await logIn(page, gateway, ADMINISTRATOR);
  await page.goto(`${gateway.origin}/system`);
  const machine = page.getByRole('region', { name: 'Machine', exact: true });
  await expect(machine.getByText(/free of/)).toBeVisible();
  await expect(page.getByRole('region', { name: 'MQTT broker' }).getByText('Retained')).toBeVisible();
  await expect(page.getByRole('region', { name: 'History' }).getByText('A power cut costs at most')).toBeVisible();
  await expectAccessible(page, 'the health of the gateway');

  await page.getByRole('link', { name: 'Network' }).click();
  const network = page.getByRole('region', { name: 'How to reach it' });
  await expect(network.getByText(new URL(gateway.origin).port, { exact: true })).toBeVisible();
  await expect(page.getByText('so there is nothing for others to find')).toBeVisible();
  // The fingerprint is that of the certificate that the gateway gives to everybody.
  const pem = await (await page.request.get(`${gateway.origin}/ca.crt`)).text();
  const { fingerprint256 } = new X509Certificate(pem);
  await expect(page.getByRole('region', { name: 'Certificate' }).getByText(fingerprint256)).toBeVisible();
  await page.getByLabel('This device', { exact: true }).selectOption('iPhone, iPad');
  await expect(page.getByRole('link', { name: 'Profile for iPhone, iPad and Mac' })).toBeVisible();
  await expect(page.getByText('Certificate Trust Settings')).toBeVisible();
  await expectAccessible(page, 'the network');
});

test('the log is filtered, paused and saved', async ({ page, gateway }) => {
  await logIn(page, gateway, ADMINISTRATOR);
  await page.goto(`${gateway.origin}/system/log`);
  const list = page.getByRole('region', { name: 'Lines of the log' });
  await expect(list.getByText(/^ready: dashboard on/)).toBeVisible();
  await expectAccessible(page, 'the log');
  await page.getByLabel('Only lines with').fill('READY: dash');
  await expect(list.getByRole('listitem')).toHaveCount(1);
  const saved = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Download' }).click();
  expect((await saved).suggestedFilename()).toMatch(/^gatehouse-.*\.log$/);
  await page.getByLabel('Only lines with').fill('no line says this');
  await expect(page.getByText('No line has this text.')).toBeVisible();
  await page.getByLabel('Only lines with').fill('');
  await page.getByLabel('Show').selectOption('errors only');
  await expect(page.getByText('Nothing was logged that matters so much.')).toBeVisible();
  await page.getByRole('button', { name: 'Pause' }).click();
  await expect(page.getByText('Paused. New lines wait at the gateway.')).toBeVisible();
});

test('the gateway restarts from the page, and the page says when it is back', async ({ page, watch }) => {
  // While it is away, what is asked of it does not arrive.
  watch.tolerate(/ERR_CONNECTION|Failed to load resource|ERR_EMPTY_RESPONSE|ERR_INCOMPLETE/);
  const gateway = await startGateway([ADMINISTRATOR], undefined, await freePort());
  await page.goto(gateway.origin);
  await page.getByLabel('Name').fill(ADMINISTRATOR.name);
  await page.getByLabel('Password', { exact: true }).fill(ADMINISTRATOR.password);
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByRole('link', { name: 'System' }).click();
  const panel = page.getByRole('region', { name: 'Restart' });
  await panel.getByRole('button', { name: 'Restart the gateway' }).click();
  // Nothing happens by one tap, and the harmless button has the focus.
  await expect(panel.getByRole('button', { name: 'Cancel' })).toBeFocused();
  await expectAccessible(page, 'the question before a restart');
  await panel.getByRole('button', { name: 'Restart the gateway' }).click();
  await expect(panel.getByText(/^The gateway is restarting/)).toBeVisible();
  await expect(panel.getByText(/^The gateway is back\. It took/)).toBeVisible({ timeout: 60_000 });
  // The page is live again by itself, with the same session.
  await expect(page.getByText('Live', { exact: true })).toBeVisible({ timeout: 30_000 });
  await page.goto(`${gateway.origin}/people/log`);
  await expect(page.getByText(/restarted the gateway/).first()).toBeVisible();
  await page.close();
  await gateway.stop();
});
