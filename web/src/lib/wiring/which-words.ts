/** What is said while somebody finds out which thing is which. */

import type { AreaWords } from '../i18n/language';

const en = {
  whichIntro:
    'Several alike, and no label? Warm a probe in your hand, press a button, open a door: the one that changes is shown.',
  whichProbes: 'Thermometers on 1-Wire',
  whichInputs: 'Inputs',
  whichOutputs: 'Outputs',
  whichOutputsHelp:
    'Click an output and listen or look: it is switched the other way for a second, and back.',
  noProbes: 'No thermometer answers on 1-Wire.',
  noInputs: 'No input is configured.',
  probesFailed: 'The thermometers cannot be read.',
  start: 'Start',
  startAgain: 'Start again',
  stop: 'Stop',
  holdStill: 'Touch nothing for a moment: the gateway learns how much each one moves by itself.',
  nowDoIt: 'Now warm it, press it or open it.',
  thisOne: 'This is the one',
  perhaps: 'Perhaps this one',
  sureOf: (percent: string) => `${percent} sure`,
  foundIt: (name: string, percent: string) => `It is ${name}, ${percent} sure.`,
  change: 'Change',
  changesCount: (count: string) => `Changes: ${count}`,
  notReadYet: 'Waiting for the first reading',
  notUsed: 'Not used yet',
  click: 'Click it',
  clickNamed: (name: string) => `Click ${name}`,
  clicking: 'Clicking',
};

const es: typeof en = {
  whichIntro:
    '¿Varios iguales y sin etiqueta? Calienta una sonda en la mano, pulsa un botón, abre una puerta: se muestra el que cambia.',
  whichProbes: 'Termómetros en 1-Wire',
  whichInputs: 'Entradas',
  whichOutputs: 'Salidas',
  whichOutputsHelp: 'Pulsa una salida y escucha o mira: cambia durante un segundo, y vuelve.',
  noProbes: 'Ningún termómetro responde en 1-Wire.',
  noInputs: 'No hay ninguna entrada configurada.',
  probesFailed: 'No se pueden leer los termómetros.',
  start: 'Empezar',
  startAgain: 'Empezar otra vez',
  stop: 'Parar',
  holdStill: 'No toques nada un momento: la pasarela aprende cuánto se mueve cada uno por sí solo.',
  nowDoIt: 'Ahora caliéntalo, púlsalo o ábrelo.',
  thisOne: 'Es este',
  perhaps: 'Quizá este',
  sureOf: (percent) => `${percent} seguro`,
  foundIt: (name, percent) => `Es ${name}, ${percent} seguro.`,
  change: 'Cambio',
  changesCount: (count) => `Cambios: ${count}`,
  notReadYet: 'Esperando la primera lectura',
  notUsed: 'Aún sin usar',
  click: 'Conmutar',
  clickNamed: (name) => `Conmutar ${name}`,
  clicking: 'Conmutando',
};

const zh: typeof en = {
  whichIntro: '几个一模一样，又没有标签？用手捂热探头、按一下按钮、打开门：变化的那个会显示出来。',
  whichProbes: '1-Wire 温度计',
  whichInputs: '输入',
  whichOutputs: '输出',
  whichOutputsHelp: '点一个输出，听一听或看一看：它会反转一秒钟，然后恢复。',
  noProbes: '1-Wire 上没有温度计应答。',
  noInputs: '没有配置输入。',
  probesFailed: '无法读取温度计。',
  start: '开始',
  startAgain: '重新开始',
  stop: '停止',
  holdStill: '先等一下，什么都不要碰：网关正在了解每个探头自身的波动。',
  nowDoIt: '现在捂热它、按下它或打开它。',
  thisOne: '就是这一个',
  perhaps: '可能是这一个',
  sureOf: (percent) => `${percent} 确定`,
  foundIt: (name, percent) => `是 ${name}，${percent} 确定。`,
  change: '变化',
  changesCount: (count) => `变化次数：${count}`,
  notReadYet: '等待第一次读数',
  notUsed: '尚未使用',
  click: '点动',
  clickNamed: (name) => `点动 ${name}`,
  clicking: '正在点动',
};

export const WHICH_WORDS: AreaWords<typeof en> = { en, es, zh };
