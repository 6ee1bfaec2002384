// MQTT.js as a program: it subscribes or publishes as its arguments say, and prints one JSON object a line.
//
//     node mqttjs_client.js subscribe --filter 'casa/+/temperature' --qos 1
//     node mqttjs_client.js publish --topic casa/x --payload 21.5 --qos 2 --retain
//
// The door is mqtt, mqtts, ws or wss; behind those with TLS only a gateway of --authority is trusted. A subscriber prints {"subscribed": ...} once the broker has answered, then {"topic", "payload", "qos", "retain"} for
// each message, and goes on until it is killed. A publisher ends once the broker has taken the message.

import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import mqtt from 'mqtt';

const text = { type: 'string' };
const { values: argument, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    door: text,
    authority: text,
    host: text,
    port: text,
    user: text,
    password: text,
    protocol: text,
    id: text,
    filter: { type: 'string', multiple: true, default: [] },
    topic: text,
    payload: text,
    qos: { type: 'string', default: '0' },
    retain: { type: 'boolean', default: false },
    'will-topic': text,
    'will-payload': text,
  },
});

const say = (what) => console.log(JSON.stringify(what));
const qos = Number(argument.qos);

const path = argument.door.startsWith('ws') ? '/mqtt' : '';
const client = mqtt.connect(`${argument.door}://${argument.host}:${argument.port}${path}`, {
  ca: argument.authority ? readFileSync(argument.authority) : undefined,
  username: argument.user,
  password: argument.password,
  clientId: argument.id,
  protocolVersion: argument.protocol === '5' ? 5 : 4,
  // A lost connection is a failed test, not something to mend.
  reconnectPeriod: 0,
  will: argument['will-topic']
    ? { topic: argument['will-topic'], payload: argument['will-payload'], qos: 1, retain: true }
    : undefined,
});

client.on('error', (error) => {
  say({ refused: error.message });
  process.exit(1);
});

client.on('message', (topic, payload, packet) => {
  say({ topic, payload: payload.toString(), qos: packet.qos, retain: packet.retain });
});

client.on('connect', async () => {
  if (positionals[0] === 'subscribe') {
    const granted = await client.subscribeAsync(argument.filter, { qos });
    say({ subscribed: granted.map((grant) => String(grant.qos)) });
  } else {
    await client.publishAsync(argument.topic, argument.payload, { qos, retain: argument.retain });
    say({ published: true });
    await client.endAsync();
  }
});
