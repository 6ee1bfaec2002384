/**
 * From a gateway that nobody has set up to a live sensor, a switched output and a paired client, as a person would do it who
 * has read the README once: it types at a person's speed, reads each step before it acts, and uses nothing but what the page
 * shows and the two tools of the Debian package mosquitto-clients. The board is the simulated one, on which a sensor answers
 * that nobody has configured. It prints when each thing was reached and asserts only that it was.
 *
 *   GATEHOUSE_BIN=/usr/bin/gatehouse node tests/e2e/bench/first-visit.mjs [--key-ms 250] [--read-ms 8000] [--pictures DIR]
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { chromium } from '@playwright/test';

const option = (name, otherwise) => {
  const at = process.argv.indexOf(`--${name}`);
  return at === -1 ? otherwise : process.argv[at + 1];
};
/** Four letters a second: who types with two thumbs on a telephone. */
const KEY_MS = Number(option('key-ms', 250));
/** How long a person looks at a new step before the first touch. */
const READ_MS = Number(option('read-ms', 8_000));
/** From one field or button to the next. */
const REACH_MS = READ_MS / 8;
const PICTURES = option('pictures', null);
const LIMIT_MS = 60_000;
const BINARY = process.env['GATEHOUSE_BIN'];
if (BINARY === undefined) throw new Error('Say which program: GATEHOUSE_BIN=/usr/bin/gatehouse');

const started = performance.now();
let pictures = 0;
const say = (what) => console.log(`${((performance.now() - started) / 1_000).toFixed(1).padStart(6)} s  ${what}`);

const directory = await mkdtemp(join(tmpdir(), 'gatehouse-first-visit-'));
const configuration = join(directory, 'gatehouse.toml');
await writeFile(configuration, '');
const options = ['--demo', '--config', configuration, '--data-dir', join(directory, 'data')];
const listen = ['--http', '127.0.0.1:0', '--mqtt', '127.0.0.1:0'];
const gateway = spawn(BINARY, ['run', ...options, ...listen], { stdio: ['ignore', 'pipe', 'pipe'] });
const log = [];
createInterface({ input: gateway.stderr }).on('line', (line) => log.push(line));
const ready = new Promise((fulfil, reject) => {
  gateway.once('exit', (code) => reject(new Error(`it ended with ${code}:\n${log.join('\n')}`)));
  createInterface({ input: gateway.stdout }).on('line', (line) => {
    log.push(line);
    if (line.trim() === 'Ready.') fulfil();
  });
});
ready.catch(() => {});
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
const ended = [];

try {
  await ready;
  const said = (label) => {
    const line = log.find((one) => one.trim().startsWith(label));
    return line?.trim().slice(label.length).trim();
  };
  say('the gateway is ready');

  const page = await browser.newPage({ viewport: { width: 390, height: 844 }, locale: 'en-GB', hasTouch: true });
  page.setDefaultTimeout(LIMIT_MS);
  const pause = (ms) => new Promise((over) => setTimeout(over, ms));
  const type = async (field, text) => {
    await pause(REACH_MS);
    await field.click();
    await field.fill('');
    await field.pressSequentially(text, { delay: KEY_MS });
  };
  const press = async (control) => {
    await pause(REACH_MS);
    await control.click();
  };
  const button = (name) => page.getByRole('button', { name, exact: true });
  const step = async (title) => {
    await page.getByRole('heading', { name: title }).waitFor();
    say(title);
    if (PICTURES !== null) await page.screenshot({ path: join(PICTURES, `${++pictures}.png`), fullPage: true });
    await pause(READ_MS);
  };

  await page.goto(said('Dashboard:'));
  await step('Set up this gateway');
  await type(page.getByLabel('Set-up code'), said('Set-up code:'));
  await press(button('Continue'));
  await step('Name and language');
  await type(page.getByLabel('Name of the gateway'), 'Casa Sol');
  await press(button('Continue'));
  await step('Make the administrator');
  await type(page.getByLabel('Name', { exact: true }), 'ana');
  await type(page.getByLabel('Password', { exact: true }), 'a lamp in the window');
  await type(page.getByLabel('Password again'), 'a lamp in the window');
  await press(button('Create account'));
  await step('Time zone and place');
  await press(button('Continue'));
  await step('What is on this board');
  await press(button('Continue'));
  await step('A first device');

  await press(page.getByRole('button', { name: /^Add: .*28-/ }).first());
  await type(page.getByLabel('Name', { exact: true }), 'Bath');
  await press(button('Add'));
  await page.getByText('Bath is added.').first().waitFor();
  say('a sensor is added');
  await press(page.getByRole('radio', { name: 'A relay or a lamp' }));
  await press(page.getByRole('button', { name: /^Add: A relay or a lamp/ }));
  await type(page.getByLabel('Name', { exact: true }), 'Lamp');
  await press(button('Add'));
  await page.getByText('Lamp is added.').first().waitFor();
  say('an output is added');
  await press(button('Continue'));

  await step('Pair a phone');
  await type(page.getByLabel('What is it called'), 'phone');
  await press(button('Show the password'));
  const shown = async (label) =>
    page
      .locator('dt', { hasText: new RegExp(`^${label}$`) })
      .locator('xpath=following-sibling::dd[1]')
      .locator('code')
      .first()
      .innerText();
  const [host, port, user, password] = await Promise.all(['Name or address', 'Port', 'User', 'Password'].map(shown));
  await pause(READ_MS);
  const known = ['-h', host, '-p', port, '-u', user, '-P', password];
  const client = spawn('mosquitto_sub', [...known, '-v', '-t', 'home/#']);
  ended.push(client);
  const messages = [];
  createInterface({ input: client.stdout }).on('line', (line) => messages.push(line));
  await page.getByTestId('pairing-light').getByText('Connected from').waitFor();
  say('a client is paired: the light is green');
  const until = async (what, holds) => {
    const end = performance.now() + LIMIT_MS;
    while (!holds()) {
      if (performance.now() > end) throw new Error(`no ${what} in:\n${messages.join('\n')}`);
      await pause(100);
    }
    say(what);
  };
  const readings = () => messages.filter((line) => /^home\/bath\/temperature /.test(line)).length;
  await until('the client sees the sensor', () => readings() > 0);
  const before = readings();
  await until('the sensor lives: a further reading came', () => readings() > before);

  await press(button('Done'));
  await step('The gateway is set up');
  await press(button('Open the rooms'));
  const lamp = page.getByRole('article', { name: 'Lamp' }).getByRole('switch');
  await page.getByRole('article', { name: 'Lamp' }).getByText('Off', { exact: true }).waitFor();
  if (PICTURES !== null) await page.screenshot({ path: join(PICTURES, `${++pictures}.png`), fullPage: true });
  await press(lamp);
  await page.getByRole('article', { name: 'Lamp' }).locator('[role=switch][aria-checked=true]').waitFor();
  say('the output is switched from the page');
  await until('and the client sees it', () => messages.some((line) => line === 'home/lamp/power ON'));
  const sent = spawnSync('mosquitto_pub', [...known, '-t', 'home/lamp/power/set', '-m', 'OFF'], { encoding: 'utf8' });
  if (sent.status !== 0) throw new Error(sent.stderr);
  await page.getByRole('article', { name: 'Lamp' }).locator('[role=switch][aria-checked=false]').waitFor();
  say('the output is switched over MQTT, and the page shows it');
  if (PICTURES !== null) await page.screenshot({ path: join(PICTURES, `${++pictures}.png`), fullPage: true });
} finally {
  for (const child of [...ended, gateway]) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const gone = new Promise((over) => child.once('exit', over));
    child.kill('SIGTERM');
    await gone;
  }
  await browser.close();
  await rm(directory, { recursive: true, force: true });
}
