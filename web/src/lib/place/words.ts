/** Where something is connected. */

import type { AreaWords } from '../i18n/language';

const en = {
  headerPin: (line: string, pin: string) => `GPIO ${line}, header pin ${pin}`,
  line: (line: string) => `GPIO ${line}`,
  expanderLine: (line: string, device: string) => `line ${line} of ${device}`,
  address: (bus: string, address: string) => `${bus}, address ${address}`,
  opensCloses: (opens: string, closes: string) => `${opens} opens, ${closes} closes`,
  triggerEcho: (trigger: string, echo: string) => `trigger ${trigger}; echo ${echo}`,
  machine: 'this machine',
  unknownBoard: 'unknown board',
  simulatedBoard: 'simulated board',
  simulated: 'simulated',
  i2cHeader: 'I²C on header pins 3 and 5',
  i2cElsewhere: 'I²C, not on the header',
  spi: (bus: string, select: string) => `SPI bus ${bus}, chip select ${select}`,
  spiHeader: 'SPI on header pins 19, 21, 23 and 24',
  serialHeader: 'serial port on header pins 8 and 10',
  serialUsb: 'serial port of a USB device',
};

const es: typeof en = {
  headerPin: (line, pin) => `GPIO ${line}, pin ${pin} del conector`,
  line: (line) => `GPIO ${line}`,
  expanderLine: (line, device) => `línea ${line} de ${device}`,
  address: (bus, address) => `${bus}, dirección ${address}`,
  opensCloses: (opens, closes) => `${opens} abre, ${closes} cierra`,
  triggerEcho: (trigger, echo) => `disparo ${trigger}; eco ${echo}`,
  machine: 'esta máquina',
  unknownBoard: 'placa desconocida',
  simulatedBoard: 'placa simulada',
  simulated: 'simulado',
  i2cHeader: 'I²C en los pines 3 y 5 del conector',
  i2cElsewhere: 'I²C, fuera del conector',
  spi: (bus, select) => `bus SPI ${bus}, selección de chip ${select}`,
  spiHeader: 'SPI en los pines 19, 21, 23 y 24 del conector',
  serialHeader: 'puerto serie en los pines 8 y 10 del conector',
  serialUsb: 'puerto serie de un dispositivo USB',
};

const zh: typeof en = {
  headerPin: (line, pin) => `GPIO ${line}，排针 ${pin} 号脚`,
  line: (line) => `GPIO ${line}`,
  expanderLine: (line, device) => `${device} 的 ${line} 号线`,
  address: (bus, address) => `${bus}，地址 ${address}`,
  opensCloses: (opens, closes) => `${opens} 打开，${closes} 关闭`,
  triggerEcho: (trigger, echo) => `触发 ${trigger}；回波 ${echo}`,
  machine: '本机',
  unknownBoard: '未知开发板',
  simulatedBoard: '模拟开发板',
  simulated: '模拟',
  i2cHeader: '排针 3、5 号脚的 I²C',
  i2cElsewhere: '不在排针上的 I²C',
  spi: (bus, select) => `SPI 总线 ${bus}，片选 ${select}`,
  spiHeader: '排针 19、21、23、24 号脚的 SPI',
  serialHeader: '排针 8、10 号脚的串口',
  serialUsb: 'USB 设备的串口',
};

export const WORDS: AreaWords<typeof en> = { en, es, zh };
