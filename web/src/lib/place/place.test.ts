import { describe, expect, it } from 'vitest';
import { partsOf, withoutMarks } from '../i18n/gateway-words';
import { placeTold } from './told';
import { WORDS } from './words';

/** What the gateway says, word for word, of the demonstration and of a Raspberry Pi. */
const SAID = [
  'GPIO 18, header pin 12',
  'GPIO 40',
  'line 8 of `porch`',
  'GPIO 20, header pin 38; GPIO 21, header pin 40',
  'GPIO 5, header pin 29 opens, GPIO 6, header pin 31 closes',
  'trigger GPIO 23, header pin 16; echo line 3 of `porch`',
  'i2c-1, address 0x76',
  '1-Wire, 28-0000055e2f3b',
  '1-Wire',
  'I²C',
  'this machine',
  'unknown board',
  'simulated',
  'I²C on header pins 3 and 5',
  'SPI bus 0, chip select 1',
  'SPI on header pins 19, 21, 23 and 24',
  'serial port on header pins 8 and 10',
  'serial port of a USB device',
];

describe('where something is connected', () => {
  it('is said in the words of each language, and in English as the gateway says it', () => {
    for (const text of SAID) {
      expect(placeTold(text, WORDS.en), text).toBe(text.replaceAll('`', ''));
      for (const words of [WORDS.es, WORDS.zh]) {
        const told = placeTold(text, words);
        expect(
          partsOf(told).some(({ isGateways }) => isGateways),
          text,
        ).toBe(false);
        expect(told, text).not.toMatch(/header|address|\bline\b|opens|echo|\bbus \d, chip/);
      }
    }
    expect(placeTold('GPIO 5, header pin 29 opens, GPIO 6, header pin 31 closes', WORDS.es)).toBe(
      'GPIO 5, pin 29 del conector abre, GPIO 6, pin 31 del conector cierra',
    );
  });

  it('keeps what the kernel calls an adapter, marked as English', () => {
    const told = placeTold('I²C on header pins 3 and 5 (bcm2835 (i2c@7e804000))', WORDS.es);
    expect(partsOf(told)).toEqual([
      { text: 'I²C en los pines 3 y 5 del conector ', isGateways: false },
      { text: '(bcm2835 (i2c@7e804000))', isGateways: true },
    ]);
    expect(withoutMarks(placeTold('Raspberry Pi 5 Model B', WORDS.zh))).toBe('Raspberry Pi 5 Model B');
    expect(partsOf(placeTold('Raspberry Pi 5 Model B', WORDS.zh))[0]?.isGateways).toBe(true);
  });
});
