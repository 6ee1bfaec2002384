/**
 * How the home page bears a large house: 500 values that change once a second, through the real event stream and the real
 * store, in a real browser. It prints figures and asserts nothing: a busy machine is no mistake of the page.
 *
 *   npm --prefix web run build && node tests/e2e/bench/live-values.mjs [--values 500] [--seconds 20] [--slow 4]
 *
 * GATEHOUSE_DIST names another built page, to compare two. `--slow` makes the browser's processor so many times slower, as that of an old tablet.
 */
import { createReadStream, existsSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, resolve } from 'node:path';
import { chromium } from '@playwright/test';

const option = (name, otherwise) => {
  const at = process.argv.indexOf(`--${name}`);
  return at === -1 ? otherwise : Number(process.argv[at + 1]);
};
const VALUES = option('values', 500);
const SECONDS = option('seconds', 20);
const SLOW = option('slow', 1);
const OF_DEVICE = 5;
/** A frame that lasts longer than this is seen as a stutter. */
const LONG_FRAME_MS = 50;
/** Readings come in so many bunches a second, as devices are read one after the other. */
const BUNCHES = 10;

const DIST = resolve(import.meta.dirname, process.env['GATEHOUSE_DIST'] ?? '../../../web/dist');
if (!existsSync(join(DIST, 'index.html'))) throw new Error(`There is no ${DIST}. Build it: npm --prefix web run build`);
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };

const now = () => new Date().toISOString();
const value = (index) => Math.round((20 + 5 * Math.sin(Date.now() / 7_000 + index)) * 100) / 100;
const reading = (index) => ({ value: value(index), quality: 'ok', at: now(), cause: null });
const devices = Array.from({ length: Math.ceil(VALUES / OF_DEVICE) }, (_, device) => ({
  id: `device-${device}`,
  name: `Device ${device}`,
  room: `Room ${device % 12}`,
  driver: 'bme280',
  connection: 'i2c-1, address 0x76',
  simulated: false,
  period_ms: 1_000,
  availability: 'online',
  fault: null,
  properties: Array.from({ length: OF_DEVICE }, (_, property) => ({
    id: `value-${property}`,
    name: `Value ${property}`,
    kind: 'number',
    unit: '°C',
    decimals: 2,
    settable: false,
    class: 'temperature',
    lowest: null,
    highest: null,
    reading: reading(device * OF_DEVICE + property),
  })),
}));
const house = () => ({
  now: now(),
  gateway: { name: 'Bench', version: '0', board: 'none', base: 'home', demo: false, mqtt_port: 1883, warnings: [] },
  online: true,
  devices,
});
const day = (series) => ({
  series,
  min: 15,
  max: 25,
  at_s: Array.from({ length: 96 }, (_, quarter) => quarter * 900),
  mean: Array.from({ length: 96 }, (_, quarter) => 20 + 5 * Math.sin(quarter / 9)),
});

const ANSWERS = {
  '/api/v1/session': () => ({ setup_needed: false, gateway_name: 'Bench', user: { name: 'ana', role: 'admin' } }),
  '/api/v1/house': house,
  '/api/v1/me/home': () => ({ favourites: [], rooms: [], devices: [] }),
  '/api/v1/history/sparklines': (query) => ({
    from: new Date(Date.now() - 86_400_000).toISOString(),
    to: now(),
    lines: query.get('series').split(',').map(day),
    left: [],
  }),
};

let sent = 0;
function stream(response) {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const send = (name, data) => response.write(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
  send('house', house());
  let bunch = 0;
  const timer = setInterval(() => {
    for (let index = bunch % BUNCHES; index < VALUES; index += BUNCHES) {
      const [device, property] = [Math.floor(index / OF_DEVICE), index % OF_DEVICE];
      const place = { device: `device-${device}`, property: `value-${property}` };
      send('reading', { now: now(), ...place, ...reading(index) });
      sent += 1;
    }
    bunch += 1;
    if (bunch % (15 * BUNCHES) === 0) send('clock', { now: now() });
  }, 1_000 / BUNCHES);
  response.on('close', () => clearInterval(timer));
}

const server = createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url, 'http://bench');
  if (pathname === '/api/v1/events') return stream(response);
  const answer = ANSWERS[pathname];
  if (answer) {
    response.writeHead(200, { 'content-type': 'application/json' });
    return response.end(JSON.stringify(answer(searchParams)));
  }
  let file = join(DIST, pathname);
  if (!file.startsWith(DIST) || !existsSync(file) || statSync(file).isDirectory()) file = join(DIST, 'index.html');
  response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' });
  return createReadStream(file).pipe(response);
});
await new Promise((fulfil) => server.listen(0, '127.0.0.1', fulfil));

const browser = await chromium.launch({
  executablePath: process.env['GATEHOUSE_CHROMIUM'] ?? '/usr/bin/chromium',
  args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
});
const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
await page.goto(`http://127.0.0.1:${server.address().port}/`);
await page.getByRole('article').nth(devices.length - 1).waitFor();
const session = await page.context().newCDPSession(page);
await session.send('Performance.enable', { timeDomain: 'threadTicks' });
/** Seconds that the page's own thread has worked, by what on: the same on a busy machine as on an idle one. */
const worked = async () => {
  const { metrics } = await session.send('Performance.getMetrics');
  return Object.fromEntries(metrics.map(({ name, value: seconds }) => [name, seconds]));
};
if (SLOW > 1) {
  await session.send('Emulation.setCPUThrottlingRate', { rate: SLOW });
}
await page.waitForTimeout(3_000);

sent = 0;
const before = await worked();
const figures = await page.evaluate(
  ({ seconds, limit }) =>
    new Promise((fulfil) => {
      const frames = [];
      let [tasks, longest] = [0, 0];
      new PerformanceObserver((list) => {
        for (const { duration } of list.getEntries()) {
          tasks += 1;
          longest = Math.max(longest, duration);
        }
      }).observe({ entryTypes: ['longtask'] });
      const start = performance.now();
      let last = start;
      const frame = (at) => {
        frames.push(at - last);
        last = at;
        if (at - start < seconds * 1_000) requestAnimationFrame(frame);
        else {
          frames.sort((a, b) => a - b);
          const part = (share) => frames[Math.min(Math.floor(share * frames.length), frames.length - 1)];
          fulfil({
            frames: frames.length,
            median: part(0.5),
            p99: part(0.99),
            worst: frames.at(-1),
            long: frames.filter((ms) => ms > limit).length,
            tasks,
            longest,
          });
        }
      };
      requestAnimationFrame(frame);
    }),
  { seconds: SECONDS, limit: LONG_FRAME_MS },
);
const ms = (number) => `${number.toFixed(1)} ms`;
console.log(`${VALUES} values, ${Math.round(sent / SECONDS)} readings a second, ${SECONDS} s, processor slowed ${SLOW} times`);
console.log(`frames: ${figures.frames}; median ${ms(figures.median)}, 99 of 100 within ${ms(figures.p99)}, worst ${ms(figures.worst)}`);
console.log(`frames over ${LONG_FRAME_MS} ms: ${figures.long}`);
console.log(`tasks over 50 ms: ${figures.tasks}, the longest ${ms(figures.longest)}`);
const after = await worked();
const share = (name) => `${(((after[name] - before[name]) / SECONDS) * 1_000).toFixed(0)} ms`;
console.log(
  `work in each second: ${share('TaskDuration')}, of it script ${share('ScriptDuration')}, style ${share('RecalcStyleDuration')}, layout ${share('LayoutDuration')}`,
);
await browser.close();
server.close();
server.closeAllConnections();
