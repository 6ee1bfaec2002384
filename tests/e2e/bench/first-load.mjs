/**
 * How long a phone with an empty cache waits for the house: the real daemon with its demonstration, a fresh browser whose
 * network and processor are made slow. It prints figures and asserts nothing: a busy machine is no mistake of the page.
 *
 *   npm --prefix web run build && cargo build --release && node tests/e2e/bench/first-load.mjs [--slow 4] [--times 5]
 *
 * GATEHOUSE_BIN names the daemon (unset: the debug build), GATEHOUSE_CHROMIUM the browser. GATEHOUSE_DIST names a built page
 * that is served in the place of the daemon's own, to compare two. A debug build compresses nothing of its own page.
 *
 * A browser takes brotli with TLS and from its own machine; of a gateway on plain HTTP it takes gzip. A door before the daemon
 * makes that so, since the larger one is what counts.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer, request as ask } from 'node:http';
import { tmpdir } from 'node:os';
import { extname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { gzipSync } from 'node:zlib';
import { chromium } from '@playwright/test';

const option = (name, otherwise) => {
  const at = process.argv.indexOf(`--${name}`);
  return at === -1 ? otherwise : Number(process.argv[at + 1]);
};
/** So many times slower is the browser's processor: a middling phone, or an old tablet. */
const SLOW = option('slow', 4);
/** Each profile is loaded so often, with an empty cache each time; the median is shown. */
const TIMES = option('times', 5);
/** Longest wait for a page. */
const LIMIT_MS = 60_000;
/** Mbit/s and milliseconds from a request to its answer. The first one is what is elsewhere called slow 4G. */
const PROFILES = [
  { name: 'poor Wi-Fi at the end of the garden', mbits: 1.6, latency: 150 },
  { name: 'Wi-Fi through two walls', mbits: 10, latency: 50 },
  { name: 'Wi-Fi beside the access point', mbits: 50, latency: 5 },
];
const USER = { name: 'ana', password: 'a lamp in the window' };

const repository = resolve(import.meta.dirname, '../../..');
const target = process.env['CARGO_TARGET_DIR'] ?? 'target';
const binary = resolve(repository, process.env['GATEHOUSE_BIN'] ?? join(target, 'debug', 'gatehouse'));
if (!existsSync(binary)) throw new Error(`There is no ${binary}. Build it (cargo build), or set GATEHOUSE_BIN.`);

const directory = mkdtempSync(join(tmpdir(), 'gatehouse-first-load-'));
const added = spawnSync(
  binary,
  ['user', 'add', USER.name, '--role', 'admin', '--password-stdin', '--data-dir', directory],
  { input: `${USER.password}\n`, encoding: 'utf8' },
);
if (added.status !== 0) throw new Error(added.stderr);
const daemon = spawn(
  binary,
  ['run', '--demo', '--http', '127.0.0.1:0', '--mqtt', '127.0.0.1:0', '--data-dir', directory],
  { stdio: ['ignore', 'pipe', 'inherit'] },
);
const gateway = await new Promise((fulfil, reject) => {
  let address = null;
  daemon.once('exit', (code) => reject(new Error(`The gateway ended with ${code} before it was ready.`)));
  createInterface({ input: daemon.stdout }).on('line', (line) => {
    const [, found] = /Dashboard:\s*(\S+)/.exec(line) ?? [];
    if (found) address = new URL(found).origin;
    if (line.trim() === 'Ready.') fulfil(address);
  });
});

const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };
/** The door before the daemon: gzip at most, and another page where one is named. */
async function open(dist) {
  const [files, { port, hostname, host }] = [new Map(), new URL(gateway)];
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, gateway);
    if (dist === null || pathname.startsWith('/api/')) {
      const headers = { ...request.headers, host, 'accept-encoding': 'gzip' };
      if (headers.origin) headers.origin = gateway;
      const asked = ask({ port, host: hostname, path: request.url, method: request.method, headers });
      asked.on('response', (answer) => {
        response.writeHead(answer.statusCode, answer.headers);
        answer.pipe(response);
      });
      asked.on('error', () => response.destroy());
      response.on('close', () => asked.destroy());
      request.pipe(asked);
      return;
    }
    let file = join(dist, pathname);
    if (!existsSync(file) || statSync(file).isDirectory()) file = join(dist, 'index.html');
    if (!files.has(file)) files.set(file, gzipSync(readFileSync(file), { level: 9 }));
    const type = TYPES[extname(file)] ?? 'application/octet-stream';
    response.writeHead(200, { 'content-type': type, 'content-encoding': 'gzip' }).end(files.get(file));
  });
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  return { origin: `http://127.0.0.1:${server.address().port}`, server };
}
const dist = process.env['GATEHOUSE_DIST'];
const { origin, server } = await open(dist ? resolve(dist) : null);

/** In the page: when the first tile shows a value, and when a switch that is pressed as soon as it is there says so. */
function watch() {
  const seen = (window.__seen = { tile: null, switch: null, reacted: null });
  const look = () => {
    if (seen.tile === null && document.querySelector('article .value, article [role="switch"]')) {
      // What is in the document is seen with the next frame.
      seen.tile = 0;
      requestAnimationFrame(() => setTimeout(() => (seen.tile = performance.now())));
    }
    const knob = document.querySelector('article [role="switch"]:not([aria-disabled="true"])');
    if (seen.switch === null && knob) {
      seen.switch = performance.now();
      const before = knob.outerHTML;
      setTimeout(() => {
        knob.click();
        const wait = () => {
          if (knob.isConnected && knob.outerHTML === before) return requestAnimationFrame(wait);
          seen.reacted = performance.now();
        };
        requestAnimationFrame(wait);
      });
    }
  };
  new MutationObserver(look).observe(document, { subtree: true, childList: true, attributes: true });
}

const browser = await chromium.launch({
  executablePath: process.env['GATEHOUSE_CHROMIUM'] ?? '/usr/bin/chromium',
  args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
});

async function load({ mbits, latency, slow }) {
  const context = await browser.newContext({ viewport: { width: 390, height: 844 }, locale: 'en-GB' });
  const logIn = await context.request.post(`${origin}/api/v1/login`, { data: USER });
  if (!logIn.ok()) throw new Error(`log-in: ${logIn.status()}`);
  const page = await context.newPage();
  await page.addInitScript(watch);
  const session = await context.newCDPSession(page);
  await session.send('Network.enable');
  // By what the thread was busy: the same on a busy machine as on an idle one.
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  const throughput = (mbits * 1e6) / 8;
  await session.send('Network.emulateNetworkConditions', {
    offline: false,
    latency,
    downloadThroughput: throughput,
    uploadThroughput: throughput,
  });
  await session.send('Emulation.setCPUThrottlingRate', { rate: slow });
  const files = new Map();
  session.on('Network.requestWillBeSent', ({ requestId, request }) =>
    files.set(requestId, { url: request.url, bytes: 0 }),
  );
  // What the events of a stream weigh is known as they come; of everything else, when it is whole.
  session.on('Network.dataReceived', ({ requestId, encodedDataLength }) => {
    const file = files.get(requestId);
    if (file) file.bytes += encodedDataLength;
  });
  session.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
    const file = files.get(requestId);
    if (file) file.bytes = encodedDataLength;
  });
  await page.goto(origin, { waitUntil: 'commit' });
  await page.waitForFunction(() => window.__seen.reacted !== null, undefined, { timeout: LIMIT_MS });
  const until = await page.evaluate(() => performance.now());
  const { metrics } = await session.send('Performance.getMetrics');
  const seen = await page.evaluate(() => window.__seen);
  const paint = await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null);
  const of = (part) =>
    [...files.values()].filter(({ url }) => part(new URL(url).pathname)).reduce((sum, { bytes }) => sum + bytes, 0);
  const work = 1_000 * (metrics.find(({ name }) => name === 'TaskDuration')?.value ?? 0);
  const figures = { ...seen, paint, until, work };
  figures.code = of((path) => !path.startsWith('/api/'));
  figures.data = of((path) => path.startsWith('/api/'));
  if (process.argv.includes('--files')) for (const { url, bytes } of files.values()) console.log(`  ${bytes}\t${url}`);
  await context.close();
  return figures;
}

const best = (all, key) => Math.min(...all.map((one) => one[key]));
const median = (all, key) => all.map((one) => one[key]).sort((a, b) => a - b)[Math.floor(all.length / 2)];
try {
  const idle = [];
  for (let time = 0; time < TIMES; time += 1) idle.push(await load({ ...PROFILES.at(-1), slow: 1 }));
  console.log(`work of the page's own thread until a switch reacts, not slowed: ${Math.round(median(idle, 'work'))} ms`);
  console.log(`an empty cache, processor slowed ${SLOW} times, median (and best) of ${TIMES}`);
  for (const profile of PROFILES) {
    const all = [];
    for (let time = 0; time < TIMES; time += 1) all.push(await load({ ...profile, slow: SLOW }));
    const [ms, kb] = [
      (key) => `${Math.round(median(all, key))} (${Math.round(best(all, key))}) ms`,
      (key) => `${(median(all, key) / 1_000).toFixed(1)} kB`,
    ];
    console.log(`${profile.name} (${profile.mbits} Mbit/s, ${profile.latency} ms):`);
    console.log(`  the page ${kb('code')} and the house ${kb('data')} until a switch reacts`);
    console.log(
      `  first paint ${ms('paint')}, first tile with a value ${ms('tile')}, a switch reacts ${ms('reacted')}`,
    );
  }
} finally {
  await browser.close();
  server.close();
  server.closeAllConnections();
  daemon.removeAllListeners('exit');
  const ended = new Promise((fulfil) => daemon.once('exit', fulfil));
  daemon.kill('SIGTERM');
  await ended;
  rmSync(directory, { recursive: true, force: true });
}
