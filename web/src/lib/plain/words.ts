/** The sentences about a page without TLS. */

import type { AreaWords } from '../i18n/language';

const en = {
  label: 'Without TLS',
  readable: 'Others in this network can read what you type here.',
  same: 'The same page with TLS:',
  first: 'First install the gateway’s certificate',
  none: 'The gateway offers this network no page with TLS: [https] in its configuration is off.',
};

const es: typeof en = {
  label: 'Sin TLS',
  readable: 'Otros en esta red pueden leer lo que escribes aquí.',
  same: 'La misma página con TLS:',
  first: 'Instala antes el certificado de la pasarela',
  none: 'La pasarela no ofrece a esta red ninguna página con TLS: [https] está desactivado en su configuración.',
};

const zh: typeof en = {
  label: '没有 TLS',
  readable: '同一网络中的其他人可以读取你在这里输入的内容。',
  same: '用 TLS 打开同一页：',
  first: '先安装网关的证书',
  none: '网关没有向此网络提供 TLS 页面：配置中的 [https] 已关闭。',
};

export const WORDS: AreaWords<typeof en> = { en, es, zh };
