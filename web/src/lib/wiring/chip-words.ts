/**
 * What the chips of the catalogue are for, in the languages of the page beside the gateway's English. The key is the
 * gateway's own sentence, so that one that is written anew there is missing here, which fails a test.
 */

import type { Language } from '../i18n/language';

type Sentences = Readonly<Record<string, string>>;

const es: Sentences = {
  'A display of 128 by 64 or 32 dots that shows a text.':
    'Una pantalla de 128 por 64 o 32 puntos que muestra un texto.',
  "Acceleration and turning rate in three axes, and the chip's own temperature.":
    'Aceleración y velocidad de giro en tres ejes, y la temperatura del propio chip.',
  'Acceleration in three axes, up to 16 g.': 'Aceleración en tres ejes, hasta 16 g.',
  'An index of volatile organic compounds: 100 is the average of the last day, more smells more.':
    'Un índice de compuestos orgánicos volátiles: 100 es la media del último día; más huele más.',
  'Brightness as the eye sees it, and how much of the light is infrared.':
    'El brillo tal como lo ve el ojo, y cuánto de la luz es infrarrojo.',
  'Brightness as the eye sees it, from moonlight to full sun.':
    'El brillo tal como lo ve el ojo, desde la luz de la luna hasta pleno sol.',
  'Brightness as the eye sees it, from some thousandths of a lux to full sun.':
    'El brillo tal como lo ve el ojo, desde unas milésimas de lux hasta pleno sol.',
  'Brightness as the eye sees it, from starlight to full sun.':
    'El brillo tal como lo ve el ojo, desde la luz de las estrellas hasta pleno sol.',
  'Carbon dioxide by infrared light, with temperature and humidity.':
    'Dióxido de carbono por luz infrarroja, con temperatura y humedad.',
  'Carbon dioxide by infrared light.': 'Dióxido de carbono por luz infrarroja.',
  'Carbon dioxide by light and sound, with temperature and humidity.':
    'Dióxido de carbono por luz y sonido, con temperatura y humedad.',
  'Distance of up to 2 m, by light.': 'Distancia de hasta 2 m, por luz.',
  'Eight analogue inputs with 10 bits.': 'Ocho entradas analógicas de 10 bits.',
  'Eight analogue inputs with 12 bits, or four differences, below zero as well, with 13.':
    'Ocho entradas analógicas de 12 bits, o cuatro diferencias, también bajo cero, de 13.',
  'Eight analogue inputs with 12 bits.': 'Ocho entradas analógicas de 12 bits.',
  'Eight lines: GP0 to GP7 are lines 0 to 7.': 'Ocho líneas: GP0 a GP7 son las líneas 0 a 7.',
  'Eight lines: P0 to P7 are lines 0 to 7.': 'Ocho líneas: P0 a P7 son las líneas 0 a 7.',
  'Eight more I²C buses, for devices that have the same address: bus = "<its id>:<0 to 7>".':
    'Ocho buses I²C más, para dispositivos que tienen la misma dirección: bus = "<su id>:<0 a 7>".',
  'Fine dust: PM1, PM2.5, PM10, and particles by their size.':
    'Polvo fino: PM1, PM2.5, PM10, y partículas por su tamaño.',
  'Four analogue inputs with 10 bits.': 'Cuatro entradas analógicas de 10 bits.',
  'Four analogue inputs with 12 bits, or two differences, below zero as well, with 13.':
    'Cuatro entradas analógicas de 12 bits, o dos diferencias, también bajo cero, de 13.',
  'Four analogue inputs with 12 bits.': 'Cuatro entradas analógicas de 12 bits.',
  'Four analogue inputs with 12 bits: voltages, also against each other.':
    'Cuatro entradas analógicas de 12 bits: tensiones, también de una respecto a otra.',
  'Four analogue inputs with 16 bits: voltages, also against each other.':
    'Cuatro entradas analógicas de 16 bits: tensiones, también de una respecto a otra.',
  'Four relays: relay 1 to relay 4 are lines 0 to 3.': 'Cuatro relés: los relés 1 a 4 son las líneas 0 a 3.',
  'Light in four colours, how near something is, and swipes of a hand.':
    'La luz en cuatro colores, lo cerca que está algo, y los gestos de una mano.',
  'Lightning within 40 km: how far its front is, how strong it was, how often it struck.':
    'Rayos a menos de 40 km: a qué distancia está su frente, lo fuertes que fueron, cuántos cayeron.',
  'One analogue input with 10 bits.': 'Una entrada analógica de 10 bits.',
  'One analogue input with 12 bits.': 'Una entrada analógica de 12 bits.',
  'Sixteen PWM outputs of one frequency, for lamps or servos.':
    'Dieciséis salidas PWM de una misma frecuencia, para lámparas o servos.',
  'Sixteen lines: GPA0 to GPA7 are lines 0 to 7, GPB0 to GPB7 are lines 8 to 15.':
    'Dieciséis líneas: GPA0 a GPA7 son las líneas 0 a 7, GPB0 a GPB7 son las líneas 8 a 15.',
  'Sixteen lines: P00 to P07 are lines 0 to 7, P10 to P17 are lines 8 to 15.':
    'Dieciséis líneas: P00 a P07 son las líneas 0 a 7, P10 a P17 son las líneas 8 a 15.',
  'Temperature and air pressure, to a few centimetres of height.':
    'Temperatura y presión del aire, con precisión de unos centímetros de altura.',
  'Temperature and air pressure.': 'Temperatura y presión del aire.',
  'Temperature and humidity.': 'Temperatura y humedad.',
  'Temperature in steps of half a degree or finer.': 'Temperatura en pasos de medio grado o menos.',
  'Temperature, accurate to a quarter of a degree.': 'Temperatura, con precisión de un cuarto de grado.',
  'Temperature, accurate to half a degree.': 'Temperatura, con precisión de medio grado.',
  'Temperature, humidity and air pressure.': 'Temperatura, humedad y presión del aire.',
  'Temperature, humidity, air pressure, and the resistance of a gas sensor: the lower, the more organic compounds.':
    'Temperatura, humedad, presión del aire, y la resistencia de un sensor de gas: cuanto más baja, más compuestos orgánicos.',
  'The difference of two voltages, below zero as well, with 13 bits.':
    'La diferencia de dos tensiones, también bajo cero, de 13 bits.',
  'The temperature that a clock chip corrects itself by.':
    'La temperatura con la que un chip de reloj se corrige a sí mismo.',
  'Two analogue inputs with 10 bits.': 'Dos entradas analógicas de 10 bits.',
  'Two analogue inputs with 12 bits.': 'Dos entradas analógicas de 12 bits.',
  'Ultraviolet light, UVA and UVB, and the UV index.': 'Luz ultravioleta, UVA y UVB, y el índice UV.',
  'Volatile organic compounds, an estimate of carbon dioxide, and an index of the air from 1 to 5.':
    'Compuestos orgánicos volátiles, una estimación del dióxido de carbono, y un índice del aire de 1 a 5.',
  'Volatile organic compounds, and an estimate of carbon dioxide from them.':
    'Compuestos orgánicos volátiles, y una estimación del dióxido de carbono a partir de ellos.',
  'Voltage, current and power of a supply of up to 26 V.':
    'Tensión, corriente y potencia de una alimentación de hasta 26 V.',
  'Voltage, current and power of a supply of up to 36 V and 15 A; its shunt is inside.':
    'Tensión, corriente y potencia de una alimentación de hasta 36 V y 15 A; lleva su resistencia de medida dentro.',
  'Voltage, current and power of a supply of up to 36 V, with 16 bits.':
    'Tensión, corriente y potencia de una alimentación de hasta 36 V, de 16 bits.',
  'Weight, from load cells.': 'Peso, con células de carga.',
  'Which NFC tag or card (ISO 14443 A: MIFARE, NTAG, most phones) lies on the reader.':
    'Qué etiqueta o tarjeta NFC (ISO 14443 A: MIFARE, NTAG, la mayoría de los teléfonos) está sobre el lector.',
};

const zh: Sentences = {
  'A display of 128 by 64 or 32 dots that shows a text.': '128×64 或 128×32 点阵的显示屏，显示一段文字。',
  "Acceleration and turning rate in three axes, and the chip's own temperature.":
    '三轴加速度和角速度，以及芯片自身的温度。',
  'Acceleration in three axes, up to 16 g.': '三轴加速度，最大 16 g。',
  'An index of volatile organic compounds: 100 is the average of the last day, more smells more.':
    '挥发性有机物指数：100 为过去一天的平均值，数值越大气味越重。',
  'Brightness as the eye sees it, and how much of the light is infrared.':
    '人眼感受到的亮度，以及其中红外光的多少。',
  'Brightness as the eye sees it, from moonlight to full sun.': '人眼感受到的亮度，从月光到烈日。',
  'Brightness as the eye sees it, from some thousandths of a lux to full sun.':
    '人眼感受到的亮度，从千分之几勒克斯到烈日。',
  'Brightness as the eye sees it, from starlight to full sun.': '人眼感受到的亮度，从星光到烈日。',
  'Carbon dioxide by infrared light, with temperature and humidity.': '红外法二氧化碳，另测温度和湿度。',
  'Carbon dioxide by infrared light.': '红外法二氧化碳。',
  'Carbon dioxide by light and sound, with temperature and humidity.': '光声法二氧化碳，另测温度和湿度。',
  'Distance of up to 2 m, by light.': '用光测距，最远 2 m。',
  'Eight analogue inputs with 10 bits.': '八路 10 位模拟输入。',
  'Eight analogue inputs with 12 bits, or four differences, below zero as well, with 13.':
    '八路 12 位模拟输入，或四路 13 位差分，可为负值。',
  'Eight analogue inputs with 12 bits.': '八路 12 位模拟输入。',
  'Eight lines: GP0 to GP7 are lines 0 to 7.': '八条线：GP0 至 GP7 为线 0 至 7。',
  'Eight lines: P0 to P7 are lines 0 to 7.': '八条线：P0 至 P7 为线 0 至 7。',
  'Eight more I²C buses, for devices that have the same address: bus = "<its id>:<0 to 7>".':
    '另加八条 I²C 总线，供地址相同的设备使用：bus = "<它的 id>:<0 至 7>"。',
  'Fine dust: PM1, PM2.5, PM10, and particles by their size.':
    '细颗粒物：PM1、PM2.5、PM10，以及按粒径的颗粒数。',
  'Four analogue inputs with 10 bits.': '四路 10 位模拟输入。',
  'Four analogue inputs with 12 bits, or two differences, below zero as well, with 13.':
    '四路 12 位模拟输入，或两路 13 位差分，可为负值。',
  'Four analogue inputs with 12 bits.': '四路 12 位模拟输入。',
  'Four analogue inputs with 12 bits: voltages, also against each other.':
    '四路 12 位模拟输入：测电压，也可相互比较。',
  'Four analogue inputs with 16 bits: voltages, also against each other.':
    '四路 16 位模拟输入：测电压，也可相互比较。',
  'Four relays: relay 1 to relay 4 are lines 0 to 3.': '四个继电器：继电器 1 至 4 为线 0 至 3。',
  'Light in four colours, how near something is, and swipes of a hand.':
    '四种颜色的光、物体的远近，以及手势。',
  'Lightning within 40 km: how far its front is, how strong it was, how often it struck.':
    '40 km 以内的闪电：锋面有多远、强度多大、发生几次。',
  'One analogue input with 10 bits.': '一路 10 位模拟输入。',
  'One analogue input with 12 bits.': '一路 12 位模拟输入。',
  'Sixteen PWM outputs of one frequency, for lamps or servos.': '十六路同频 PWM 输出，用于灯或舵机。',
  'Sixteen lines: GPA0 to GPA7 are lines 0 to 7, GPB0 to GPB7 are lines 8 to 15.':
    '十六条线：GPA0 至 GPA7 为线 0 至 7，GPB0 至 GPB7 为线 8 至 15。',
  'Sixteen lines: P00 to P07 are lines 0 to 7, P10 to P17 are lines 8 to 15.':
    '十六条线：P00 至 P07 为线 0 至 7，P10 至 P17 为线 8 至 15。',
  'Temperature and air pressure, to a few centimetres of height.': '温度和气压，可分辨几厘米的高度差。',
  'Temperature and air pressure.': '温度和气压。',
  'Temperature and humidity.': '温度和湿度。',
  'Temperature in steps of half a degree or finer.': '温度，步进半度或更细。',
  'Temperature, accurate to a quarter of a degree.': '温度，精确到四分之一度。',
  'Temperature, accurate to half a degree.': '温度，精确到半度。',
  'Temperature, humidity and air pressure.': '温度、湿度和气压。',
  'Temperature, humidity, air pressure, and the resistance of a gas sensor: the lower, the more organic compounds.':
    '温度、湿度、气压，以及气体传感器的电阻：越低则有机物越多。',
  'The difference of two voltages, below zero as well, with 13 bits.': '两个电压之差，可为负值，13 位。',
  'The temperature that a clock chip corrects itself by.': '时钟芯片用来自我校正的温度。',
  'Two analogue inputs with 10 bits.': '两路 10 位模拟输入。',
  'Two analogue inputs with 12 bits.': '两路 12 位模拟输入。',
  'Ultraviolet light, UVA and UVB, and the UV index.': '紫外光 UVA 和 UVB，以及紫外线指数。',
  'Volatile organic compounds, an estimate of carbon dioxide, and an index of the air from 1 to 5.':
    '挥发性有机物、二氧化碳的估计值，以及 1 至 5 的空气指数。',
  'Volatile organic compounds, and an estimate of carbon dioxide from them.':
    '挥发性有机物，以及由此估计的二氧化碳。',
  'Voltage, current and power of a supply of up to 26 V.': '最高 26 V 电源的电压、电流和功率。',
  'Voltage, current and power of a supply of up to 36 V and 15 A; its shunt is inside.':
    '最高 36 V、15 A 电源的电压、电流和功率；分流电阻在芯片内。',
  'Voltage, current and power of a supply of up to 36 V, with 16 bits.':
    '最高 36 V 电源的电压、电流和功率，16 位。',
  'Weight, from load cells.': '称重传感器测得的重量。',
  'Which NFC tag or card (ISO 14443 A: MIFARE, NTAG, most phones) lies on the reader.':
    '读卡器上放着哪张 NFC 标签或卡（ISO 14443 A：MIFARE、NTAG、大多数手机）。',
};

const TOLD: Partial<Record<Language, Sentences>> = { es, zh };

/** The sentence in a language; nothing where it is the gateway's own that is shown. */
export function chipSentence(what: string, language: Language): string | null {
  const sentences = TOLD[language];
  return sentences && Object.hasOwn(sentences, what) ? (sentences[what] ?? null) : null;
}
