// A stand-in for the daemon, for working on the page without it: serves dist/ and the API of a made-up house.
// Development only; it is no part of the product. Usage: node dev/mock-server.mjs [--set-up] [--port 8080]
//   --set-up   begins with the set-up (code LAMP-0042); else log in as ana (or luis, who may only look),
//              password "lamp in the window".
// GET /dev/online?value=false says that the bridge is offline; GET /dev/drop?seconds=20 cuts all streams.

import { createReadStream, existsSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { history, makeHouse, wave } from './fake-house.mjs';

const DIST = fileURLToPath(new URL('../dist', import.meta.url));
const CODE = 'LAMP-0042';
const PASSWORD = 'lamp in the window';
const ANSWER_DELAY_MS = 700;
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
  "manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.webmanifest': 'application/manifest+json',
};

const args = process.argv.slice(2);
const port = Number(args.includes('--port') ? args[args.indexOf('--port') + 1] : 8080);
const startedAt = Date.now();
const users = new Map();
if (!args.includes('--set-up')) {
  users.set('ana', { name: 'ana', role: 'admin', password: PASSWORD });
  users.set('luis', { name: 'luis', role: 'viewer', password: PASSWORD });
}
const house = makeHouse(startedAt);
const streams = new Set();
let online = true;
let droppedUntil = 0;
let nextId = 1;

const error = (status, code, message) => ({ status, body: { error: { code, message } } });

function sessionOf(request) {
  const name = /(?:^|; )mock=([^;]*)/.exec(request.headers.cookie ?? '')?.[1];
  const user = name === undefined ? undefined : users.get(decodeURIComponent(name));
  return {
    setup_needed: users.size === 0,
    gateway_name: 'Casa',
    user: user ? { name: user.name, role: user.role } : null,
  };
}

const gatewayTime = () => new Date().toISOString();

function wholeHouse() {
  return {
    now: gatewayTime(),
    gateway: {
      name: 'Casa',
      version: '0.1.0',
      board: 'Raspberry Pi 4 Model B Rev 1.4 (mock)',
      base: 'casa',
      demo: true,
      mqtt_port: 1883,
    },
    online,
    devices: house.devices.map(({ properties, ...device }) => ({
      ...device,
      properties: properties.map((property) => ({
        ...property,
        reading: house.readings.get(`${device.id}/${property.id}`) ?? null,
      })),
    })),
  };
}

function send(name, data) {
  const told = JSON.stringify({ ...data, now: gatewayTime() });
  for (const stream of streams) stream.write(`event: ${name}\ndata: ${told}\n\n`);
}

function put(device, property, value, quality, cause = null) {
  const reading = { value, quality, at: new Date().toISOString(), cause };
  house.readings.set(`${device}/${property}`, reading);
  send('reading', { device, property, ...reading });
}

// What the sensors say.
setInterval(() => {
  if (!online) return;
  for (const device of house.devices) {
    if (device.availability === 'offline') continue;
    for (const { id, kind } of device.properties) {
      const earlier = house.readings.get(`${device.id}/${id}`);
      const isFrozen = !earlier || earlier.quality === 'stale' || earlier.quality === 'suspect';
      if (kind !== 'number' || isFrozen || Math.random() > 0.4) continue;
      put(device.id, id, wave(`${device.id}/${id}`, Date.now()), device.simulated ? 'simulated' : 'ok');
    }
  }
}, 2_000);
setInterval(() => send('clock', {}), 15_000);

function command(device, property, value, user) {
  const id = `mock-${nextId++}`;
  const answer = (ok, reason) => send('result', { device, property, id, ok, reason });
  setTimeout(() => {
    if (device === 'living-heater') {
      answer(false, 'Window is open: heating stays off (interlock heating).');
      return;
    }
    // The boiler's relay is stuck: nothing ever comes back.
    if (device === 'boiler') return;
    const quality = device.startsWith('kitchen') ? 'simulated' : 'ok';
    put(device, property, value, quality, { sentence: `${user} on the page`, by: 'page', user });
    answer(true, null);
  }, ANSWER_DELAY_MS);
  return { status: 202, body: { id } };
}

async function bodyOf(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return JSON.parse(Buffer.concat(parts).toString() || '{}');
}

const cookie = (name) => ({
  'set-cookie': `mock=${encodeURIComponent(name)}; HttpOnly; SameSite=Strict; Path=/`,
});

async function answerApi(request, url) {
  const path = url.pathname.replace('/api/v1', '');
  const session = sessionOf(request);
  if (path === '/session') return { status: 200, body: session };
  if (path === '/setup' && request.method === 'POST') {
    const { code, name, password } = await bodyOf(request);
    if (users.size > 0) return error(409, 'already_set_up', 'This gateway is set up already.');
    if (code !== CODE) return error(403, 'wrong_code', 'That is not the set-up code.');
    if (/[/+#]/.test(name)) {
      return error(
        422,
        'invalid_name',
        'A name must not hold /, + or #: they mean something in MQTT topics.',
      );
    }
    users.set(name, { name, role: 'admin', password });
    return {
      status: 201,
      headers: cookie(name),
      body: { setup_needed: false, gateway_name: 'Casa', user: { name, role: 'admin' } },
    };
  }
  if (path === '/login' && request.method === 'POST') {
    const { name, password } = await bodyOf(request);
    const user = users.get(name);
    if (user?.password !== password) return error(401, 'wrong_login', 'Name or password is wrong.');
    return { status: 200, headers: cookie(name), body: { ...session, user: { name, role: user.role } } };
  }
  if (path === '/logout') return { status: 204, headers: { 'set-cookie': 'mock=; Path=/; Max-Age=0' } };
  if (!session.user) return error(401, 'not_logged_in', 'Log in first.');
  if (path === '/house') return { status: 200, body: wholeHouse() };
  const set = /^\/devices\/([^/]+)\/properties\/([^/]+)\/set$/.exec(path);
  if (set && request.method === 'POST') {
    if (session.user.role === 'viewer')
      return error(403, 'forbidden', 'Your account may look but not switch.');
    return command(set[1], set[2], (await bodyOf(request)).value, session.user.name);
  }
  const asked = /^\/history\/([^/]+)\/([^/]+)$/.exec(path);
  if (asked) return historyOf(asked[1], asked[2], url.searchParams);
  return error(404, 'unknown_path', 'There is nothing at this path.');
}

function historyOf(device, property, query) {
  const info = house.devices.find(({ id }) => id === device)?.properties.find(({ id }) => id === property);
  if (!info) return error(404, 'unknown_property', 'There is no such property.');
  const [from, to] = [Date.parse(query.get('from')), Date.parse(query.get('to'))];
  const since = startedAt - 5 * 24 * 3_600_000;
  const isEmpty = device === 'cistern' || (device === 'greenhouse' && to - from < 900_001);
  const { bucket, points, before } = isEmpty
    ? { bucket: 1_000, points: [], before: null }
    : history(
        `${device}/${property}`,
        info.kind,
        from,
        to,
        Number(query.get('points')),
        since,
        house.readings,
      );
  return {
    status: 200,
    body: {
      from: query.get('from'),
      to: query.get('to'),
      bucket_ms: bucket,
      unit: info.unit,
      recording_since: device === 'cistern' ? null : new Date(since).toISOString(),
      before,
      points,
      gaps: [],
    },
  };
}

function openStream(request, response) {
  if (Date.now() < droppedUntil) {
    response.destroy();
    return;
  }
  if (!sessionOf(request).user) {
    response.writeHead(401).end();
    return;
  }
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  response.write(`event: house\ndata: ${JSON.stringify(wholeHouse())}\n\n`);
  streams.add(response);
  response.on('close', () => streams.delete(response));
}

function develop(url) {
  if (url.pathname === '/dev/online') {
    online = url.searchParams.get('value') !== 'false';
    send('online', { online });
  }
  if (url.pathname === '/dev/drop') {
    droppedUntil = Date.now() + Number(url.searchParams.get('seconds') ?? 10) * 1_000;
    for (const stream of streams) stream.destroy();
  }
  return { status: 200, body: { status: 'ok' } };
}

function serveFile(url, response) {
  const asked = join(DIST, normalize(url.pathname));
  const isFile = url.pathname !== '/' && asked.startsWith(DIST) && existsSync(asked) && extname(asked) !== '';
  const file = isFile ? asked : join(DIST, 'index.html');
  response.writeHead(200, {
    'content-type': TYPES[extname(file)] ?? 'application/octet-stream',
    'content-security-policy': POLICY,
    'x-content-type-options': 'nosniff',
  });
  createReadStream(file).pipe(response);
}

createServer(async (request, response) => {
  const url = new URL(request.url, 'http://mock');
  if (url.pathname === '/api/v1/events') return openStream(request, response);
  if (!/^\/(api|dev|health)(\/|$)/.test(url.pathname)) return serveFile(url, response);
  const dropped = Date.now() < droppedUntil && !url.pathname.startsWith('/dev/');
  if (dropped) return response.destroy();
  const isApi = url.pathname.startsWith('/api');
  const { status, headers = {}, body } = isApi ? await answerApi(request, url) : develop(url);
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  return response.end(body === undefined ? undefined : JSON.stringify(body));
}).listen(port, '127.0.0.1', () => console.log(`http://127.0.0.1:${port}`));
