/**
 * Where something is connected, as the gateway says it in English, in the reader's language. By the gateway's own few forms it
 * is known what it says (`LineNumber` and `Pin` of crates/board/src/traits/lines.rs, the connections of bridge/devices.rs, the
 * buses of cdev/buses.rs); anything else, as the name of an adapter, stays as it is and is marked as English. Pure.
 */

import { gatewayWords } from '../i18n/gateway-words';
import type { WORDS } from './words';

type Words = (typeof WORDS)['en'];

/** One form of the gateway's, and how it is said here. */
type Form = [pattern: RegExp, say: (words: Words, parts: string[]) => string];

const PIN = 'GPIO \\d+(?:, header pin \\d+)?|line \\d+ of `[^`]+`';

const part = (text: string | undefined, words: Words) => placeTold(text ?? '', words);

const FORMS: readonly Form[] = [
  [/^GPIO (\d+), header pin (\d+)$/, (words, [line = '', pin = '']) => words.headerPin(line, pin)],
  [/^GPIO (\d+)$/, (words, [line = '']) => words.line(line)],
  [/^line (\d+) of `([^`]+)`$/, (words, [line = '', device = '']) => words.expanderLine(line, device)],
  [new RegExp(`^(${PIN}); (${PIN})$`), (words, [one, two]) => `${part(one, words)}; ${part(two, words)}`],
  [
    new RegExp(`^(${PIN}) opens, (${PIN}) closes$`),
    (words, [opens, closes]) => words.opensCloses(part(opens, words), part(closes, words)),
  ],
  [
    new RegExp(`^trigger (${PIN}); echo (${PIN})$`),
    (words, [trigger, echo]) => words.triggerEcho(part(trigger, words), part(echo, words)),
  ],
  [/^([\w.-]+), address (0x[\dA-Fa-f]+)$/, (words, [bus = '', address = '']) => words.address(bus, address)],
  // Names that are the same in every language.
  [/^(1-Wire(?:, [\da-f]{2}-[\da-f]{12})?|I²C)$/, (_, [name = '']) => name],
  [/^this machine$/, (words) => words.machine],
  [/^unknown board$/, (words) => words.unknownBoard],
  [/^Simulated board$/, (words) => words.simulatedBoard],
  [/^simulated$/, (words) => words.simulated],
  [/^SPI bus (\d+), chip select (\d+)$/, (words, [bus = '', select = '']) => words.spi(bus, select)],
  [/^SPI on header pins 19, 21, 23 and 24$/, (words) => words.spiHeader],
  [/^I²C on header pins 3 and 5$/, (words) => words.i2cHeader],
  [/^I²C, not on the header$/, (words) => words.i2cElsewhere],
  [/^serial port on header pins 8 and 10$/, (words) => words.serialHeader],
  [/^serial port of a USB device$/, (words) => words.serialUsb],
  // The name that the kernel has for an adapter, behind what it is.
  [
    /^(I²C(?: on header pins 3 and 5|, not on the header)?) (\(.+\))$/,
    (words, [bus, adapter = '']) => `${part(bus, words)} ${gatewayWords(adapter)}`,
  ],
];

export function placeTold(text: string, words: Words): string {
  for (const [pattern, say] of FORMS) {
    const found = pattern.exec(text);
    if (found) return say(words, found.slice(1));
  }
  return gatewayWords(text);
}
