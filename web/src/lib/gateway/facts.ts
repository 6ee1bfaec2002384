/** What the report of the gateway says, as lines for people. Pure: words and format come in as arguments. */

import type { SystemReport } from '../api/generated';
import type { Format } from '../format/format';
import type { GatewayWords } from './words';

export interface Fact {
  name: string;
  value: string;
  /** More about it, smaller. */
  note?: string;
  /** Somebody should look at it. */
  warn?: boolean;
  /** The value is in the gateway's language, not the page's. */
  english?: boolean;
}

/** Above this the processor of a board slows itself down before long. */
const HOT_CELSIUS = 80;

/** With less than a tenth of the disk or of the memory free, things begin to fail soon. */
const LITTLE_LEFT = 0.1;

/** From here on a card is to be replaced while it still works. */
const WORN_PERCENT = 80;

export function bytesText(count: number, format: Format): string {
  const { text, unit } = format.scaled(count, 0, 'B');
  return `${text}\u00a0${unit}`;
}

export function versionFacts(report: SystemReport, words: GatewayWords, format: Format): Fact[] {
  const { version, machine, running_for_ms: running } = report;
  return [
    { name: words.version, value: version.gatehouse },
    ...(version.commit === null ? [] : [{ name: words.commit, value: version.commit }]),
    { name: words.compiler, value: version.compiler, english: true },
    { name: words.runningFor, value: format.duration(running) },
    { name: words.board, value: machine.board, english: true },
    { name: words.kernel, value: machine.kernel, english: true },
  ];
}

/** Now, and at some time since the start; nothing where the board does not tell. */
function trouble(name: string, now: boolean | null, before: boolean | null, words: GatewayWords): Fact {
  if (now === true) return { name, value: words.nowYes, warn: true };
  if (before === true) return { name, value: words.sinceBootYes, warn: true };
  if (now === null && before === null) return { name, value: words.notTold };
  return { name, value: before === null ? words.nowNo : words.never };
}

/** What is left of something of which there is so much. */
function left(
  name: string,
  free: number | null,
  all: number | null,
  words: GatewayWords,
  format: Format,
): Fact {
  if (free === null || all === null) return { name, value: words.notTold };
  const value = words.freeOf(bytesText(free, format), bytesText(all, format));
  return { name, value, warn: free < all * LITTLE_LEFT };
}

export function machineFacts({ machine }: SystemReport, words: GatewayWords, format: Format): Fact[] {
  const { load, temperature: celsius, gateway_memory_bytes: own, up_for_ms: up } = machine;
  const facts: Fact[] = [];
  if (load !== null) {
    const value = load.map((one) => format.number(one, 2)).join(' · ');
    const note = words.loadNote(format.number(machine.cores, 0));
    facts.push({ name: words.load, value, note, warn: load[1] > machine.cores * 2 });
  }
  facts.push(
    {
      name: words.temperature,
      value: celsius === null ? words.notTold : `${format.number(celsius, 1)}\u00a0°C`,
      warn: celsius !== null && celsius >= HOT_CELSIUS,
    },
    left(words.memory, machine.memory_free_bytes, machine.memory_bytes, words, format),
  );
  if (own !== null) facts.push({ name: words.gatewayMemory, value: bytesText(own, format) });
  facts.push(
    trouble(words.underVoltage, machine.under_voltage, machine.under_voltage_since_boot, words),
    trouble(words.throttled, machine.throttled, machine.throttled_since_boot, words),
  );
  if (up !== null) facts.push({ name: words.upFor, value: format.duration(up) });
  return facts;
}

export function diskFacts({ disk }: SystemReport, words: GatewayWords, format: Format): Fact[] {
  const { card, written_bytes: written } = disk;
  const facts: Fact[] = [
    left(words.disk, disk.free_bytes, disk.bytes, words, format),
    { name: words.directory, value: disk.directory, english: true },
  ];
  if (written !== null) facts.push({ name: words.written, value: bytesText(written, format) });
  if (card === null) return [...facts, { name: words.card, value: words.cardNone }];
  facts.push({ name: words.card, value: `${card.kind} ${card.name ?? ''}`.trim(), english: true });
  const worn = card.life_used_percent;
  if (worn === null) facts.push({ name: words.wear, value: words.wearNotTold });
  else {
    const value = worn > 100 ? words.wearOver : words.wearUpTo(format.percent(worn / 100));
    facts.push({ name: words.wear, value, warn: worn >= WORN_PERCENT });
  }
  if (card.reserve === 'warning' || card.reserve === 'urgent') {
    const value = card.reserve === 'urgent' ? words.reserveUrgent : words.reserveWarning;
    facts.push({ name: words.reserve, value, warn: true });
  }
  return facts;
}

export function clockFacts({ clock }: SystemReport, words: GatewayWords): Fact[] {
  const { service, synchronized: set } = clock;
  const by: Fact = {
    name: words.clockService,
    value: service ?? words.clockServiceNone,
    english: service !== null,
  };
  if (set !== null) by.note = set ? words.clockSet : words.clockNotSet;
  return [
    { name: words.clockTrusted, value: clock.trusted ? words.yes : words.clockNotYet, warn: !clock.trusted },
    by,
    { name: words.clockChip, value: clock.chip ? words.yes : words.no },
  ];
}

export function brokerFacts({ broker }: SystemReport, words: GatewayWords, format: Format): Fact[] {
  const count = (value: number) => format.number(value, 0);
  const rate = (value: number) => format.number(value, value < 10 ? 1 : 0);
  const { received_per_second: taken, sent_per_second: given } = broker;
  const pace = taken === null || given === null ? words.notYet : `${rate(taken)} · ${rate(given)}`;
  const facts: Fact[] = [
    { name: words.clients, value: count(broker.clients), note: words.sessions(count(broker.sessions)) },
    { name: words.pace, value: pace },
    { name: words.messages, value: `${count(broker.received)} · ${count(broker.sent)}` },
    { name: words.retained, value: count(broker.retained) },
    { name: words.subscriptions, value: count(broker.subscriptions) },
    { name: words.queued, value: count(broker.queued) },
    { name: words.dropped, value: count(broker.dropped), warn: broker.dropped > 0 },
    { name: words.refused, value: count(broker.refused) },
    { name: words.loginsRefused, value: count(broker.logins_refused + broker.connections_refused) },
  ];
  if (broker.store_failing) facts.unshift({ name: words.store, value: words.storeFailing, warn: true });
  return facts;
}
