// A made-up house for looking at the page: every state of a tile is in it. Development only.

const HOUR_MS = 3_600_000;
const WEEK_MS = 7 * 24 * HOUR_MS;

const number = (id, name, unit, decimals, cls) => ({
  id,
  name,
  kind: 'number',
  unit,
  decimals,
  settable: false,
  class: cls,
});
const contact = (id, name, cls) => ({
  id,
  name,
  kind: 'switch',
  unit: '',
  decimals: 0,
  settable: false,
  class: cls,
});
const output = (id, name, cls) => ({ ...contact(id, name, cls), settable: true });

const device = (id, name, room, driver, connection, period_ms, simulated, properties) => ({
  id,
  name,
  room,
  driver,
  connection,
  simulated,
  period_ms,
  availability: 'online',
  fault: null,
  properties,
});

const climate = () => [
  number('temperature', 'Temperature', '°C', 1, 'temperature'),
  number('humidity', 'Humidity', '%', 0, 'humidity'),
];

/** The devices, with how each value moves: [centre, swing, minutes per wave]. */
export function makeHouse(now) {
  const devices = [
    device('kitchen-climate', 'Kitchen', 'Kitchen', 'sim-climate', 'simulated', 5_000, true, climate()),
    device('kitchen-light', 'Kitchen light', 'Kitchen', 'sim-output', 'GPIO 17 (simulated)', null, true, [
      output('power', 'Power', 'light'),
    ]),
    device(
      'living-climate',
      'Living room',
      'Living room',
      'sim-climate',
      'simulated',
      5_000,
      true,
      climate(),
    ),
    device('living-heater', 'Heater', 'Living room', 'sim-output', 'GPIO 22 (simulated)', null, true, [
      output('power', 'Power', 'heat'),
    ]),
    device('living-window', 'Window', 'Living room', 'sim-input', 'GPIO 27 (simulated)', null, true, [
      contact('contact', 'Contact', 'window'),
    ]),
    device('front-door', 'Front door', 'Hall', 'input', 'GPIO 4, header pin 7', null, false, [
      contact('contact', 'Contact', 'door'),
    ]),
    device('hall-motion', 'Motion in the hall', 'Hall', 'input', 'GPIO 5, header pin 29', null, false, [
      contact('motion', 'Motion', 'motion'),
    ]),
    device('boiler', 'Boiler', 'Cellar', 'output', 'GPIO 6, header pin 31', null, false, [
      output('power', 'Power', 'heat'),
    ]),
    device('boiler-flow', 'Boiler flow', 'Cellar', 'ds18b20', '1-Wire 28-0316a2795aff', 10_000, false, [
      number('temperature', 'Temperature', '°C', 1, 'temperature'),
    ]),
    device('cellar-climate', 'Cellar air', 'Cellar', 'bme280', 'I2C bus 1, address 0x76', 10_000, false, [
      ...climate(),
      number('pressure', 'Pressure', 'hPa', 1, 'atmospheric_pressure'),
    ]),
    device('cistern', 'Cistern', 'Cellar', 'ads1115', 'I2C bus 1, address 0x48', 10_000, false, [
      number('level', 'Level', 'l', 0, null),
    ]),
    device('greenhouse', 'Invernadero', 'Ático', 'dht22', 'GPIO 12, header pin 32', 30_000, false, [
      number('temperature', 'Temperatura', '°C', 1, 'temperature'),
    ]),
    device('gateway', 'Gateway', null, 'host', 'this machine', 5_000, false, [
      number('temperature', 'Processor temperature', '°C', 1, 'temperature'),
      number('processor', 'Processor use', '%', 1, null),
      number('load', 'Load, 1 minute', '', 2, null),
      number('memory', 'Memory used', '%', 1, null),
      number('disk', 'Disk used', '%', 1, null),
      number('disk-free', 'Disk free', 'GB', 2, 'data_size'),
      number('received', 'Network received', 'B/s', 0, 'data_rate'),
      number('sent', 'Network sent', 'B/s', 0, 'data_rate'),
      number('uptime', 'Running since start-up', 's', 0, 'duration'),
      contact('under-voltage', 'Power supply too weak', 'problem'),
      contact('throttled', 'Processor slowed down', 'problem'),
    ]),
  ];
  const readings = new Map();
  const put = (key, value, { quality = 'ok', at = now, cause = null } = {}) =>
    readings.set(key, { value, quality, at: new Date(at).toISOString(), cause });

  for (const { id, simulated, properties } of devices) {
    for (const property of properties) {
      const key = `${id}/${property.id}`;
      if (property.kind === 'switch') {
        put(key, 'OFF', { quality: simulated ? 'simulated' : 'ok', at: now - 3 * HOUR_MS });
      } else {
        put(key, wave(key, now), { quality: simulated ? 'simulated' : 'ok' });
      }
    }
  }
  put('kitchen-light/power', 'ON', {
    quality: 'simulated',
    at: now - 12 * 60_000,
    cause: { sentence: 'ana on the page', by: 'page', user: 'ana' },
  });
  put('boiler/power', 'ON', {
    at: now - 47 * 60_000,
    cause: { sentence: 'client phone (user luis)', by: 'client', client_id: 'phone', user: 'luis' },
  });
  put('living-window/contact', 'ON', { quality: 'simulated', at: now - 34 * 60_000 });
  put('boiler-flow/temperature', 85, { quality: 'suspect', at: now - 4_000 });
  put('cellar-climate/temperature', 14.2, { at: now - 26 * 60_000 });
  put('greenhouse/temperature', 8.4, { quality: 'stale', at: now - 14 * 60_000 });
  readings.set('cistern/level', null);

  const cellar = devices.find(({ id }) => id === 'cellar-climate');
  cellar.availability = 'offline';
  cellar.fault = 'No answer on I2C bus 1 at 0x76 since 09:14. Check the wiring.';
  return { devices, readings };
}

const WAVES = {
  temperature: [21, 1.6, 180],
  humidity: [46, 6, 240],
  pressure: [1013.2, 4, 900],
  processor: [18, 14, 9],
  load: [0.4, 0.3, 9],
  memory: [41, 3, 60],
  disk: [37, 0, 60],
  'disk-free': [18.2, 0, 60],
  received: [120_000, 110_000, 7],
  sent: [40_000, 30_000, 7],
  level: [640, 60, 2_000],
};

/** Values that move as such things do, and the same ones each time they are asked for. */
export function wave(key, at) {
  const property = key.split('/')[1];
  if (property === 'uptime') return Math.floor((at % WEEK_MS) / 1_000);
  const [centre, swing, minutes] = WAVES[property] ?? [50, 10, 60];
  const phase = [...key].reduce((sum, letter) => sum + letter.codePointAt(0), 0);
  const turn = (at / 60_000 / minutes) * 2 * Math.PI + phase;
  const noise = Math.sin(at / 7_000 + phase) * Math.sin(at / 3_100) * 0.06;
  return centre + swing * (Math.sin(turn) * 0.8 + Math.sin(turn * 5.3) * 0.14 + noise);
}

/** Buckets of history as the gateway gives them: empty ones are absent. */
export function history(key, kind, from, to, points, recordingSince, readings) {
  const bucket = Math.max(Math.ceil((to - from) / points), 1_000);
  const step = Math.max(bucket, 5_000);
  const answer = [];
  const before = beforeOf(key, kind, from, recordingSince, readings);
  // A door that nobody opened: what held before the range is all there is.
  if (key === 'front-door/contact') return { bucket, points: [], before };
  if (kind === 'switch') {
    let state = 0;
    for (let at = Math.max(from, recordingSince); at < to; at += 420_000) {
      state = Math.sin(at / 1_900_000) > 0 ? 1 : 0;
      answer.push(point(at, state, state, state, 1));
    }
    const current = readings.get(key)?.value === 'ON' ? 1 : 0;
    if (current !== state) answer.push(point(to - 20_000, current, current, current, 1));
    return { bucket, points: answer, before };
  }
  for (let at = Math.ceil(Math.max(from, recordingSince) / step) * step; at < to; at += step) {
    // A power cut each day, seen as a gap.
    const hour = new Date(at).getUTCHours();
    if (hour === 4 || (at % HOUR_MS > 1_500_000 && at % HOUR_MS < 2_000_000 && to - from <= HOUR_MS))
      continue;
    const values = [0, 0.25, 0.5, 0.75, 1].map((share) => wave(key, at + share * step));
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const spread = step > 60_000 ? Math.abs(Math.sin(at / 400_000)) * 0.4 : 0;
    answer.push(
      point(at, Math.min(...values) - spread, mean, Math.max(...values) + spread, Math.round(step / 5_000)),
    );
  }
  return { bucket, points: answer, before };
}

function beforeOf(key, kind, from, recordingSince, readings) {
  const at = kind === 'switch' ? from - 30 * HOUR_MS : from - 4_000;
  if (at < recordingSince) return null;
  const state = readings.get(key)?.value === 'ON' ? 1 : 0;
  const value = kind === 'switch' ? state : wave(key, at);
  return { at: new Date(at).toISOString(), value, quality: 'ok' };
}

function point(at, min, mean, max, count) {
  return { at: new Date(at).toISOString(), min, mean, max, last: mean, count, held: false, quality: 'ok' };
}
