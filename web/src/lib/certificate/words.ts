/** The sentences about installing the gateway's certificate. */

import type { AreaWords } from '../i18n/language';

const en = {
  title: 'Trust this gateway',
  nothing:
    'There is nothing to install: this gateway shows a certificate from elsewhere, or it speaks no TLS.',
  compare: 'Compare before you install',
  compareText:
    'The device shows this fingerprint (SHA-256) of the certificate when you install it. A page without TLS can be changed on its way to you, so compare it with the one on the gateway itself:',
  journal: 'It also stands in the journal of the gateway, as “CA SHA-256”, each time it starts.',
  fingerprint: 'Fingerprint of the authority (SHA-256)',
  onGateway: 'On the gateway',
  then: 'Then open it with TLS',
  thenText: 'Log in there from now on: nobody in between can read it.',
  isSecure: 'You have opened this page with TLS already.',
  back: 'Back',
  install: 'Trust it on this device',
  installText:
    'Install the authority once on each phone and computer. Then browsers and MQTT apps trust this gateway, and warn about nobody else less than before.',
  caFile: 'Download ca.crt',
  caProfile: 'Profile for iPhone, iPad and Mac',
  system: 'This device',
  stepsAndroid: [
    'Download ca.crt on the phone.',
    'Open Settings, search for “CA certificate”, and choose to install one. Android warns that such a certificate can see traffic: it is your own gateway.',
    'Choose the downloaded file. Browsers trust it from now on; an app does if its maker allows it, else give it the file in its own settings.',
  ].join('\n'),
  stepsIos: [
    'Open the profile in Safari and allow the download.',
    'Open Settings, tap “Profile Downloaded”, and install it.',
    'Open Settings, General, About, Certificate Trust Settings, and switch this gateway on.',
  ].join('\n'),
  stepsMacos: [
    'Download the profile and open it.',
    'Open System Settings, search for “Profiles”, and install it.',
  ].join('\n'),
  stepsWindows: [
    'Download ca.crt and open it.',
    'Choose “Install Certificate”, this user or this computer, then “Trusted Root Certification Authorities”.',
  ].join('\n'),
  stepsLinux: [
    'Download ca.crt.',
    'Debian, Ubuntu and Raspberry Pi OS: sudo cp ca.crt /usr/local/share/ca-certificates/gatehouse.crt && sudo update-ca-certificates',
    'Chrome and Firefox have lists of their own: import it there under Certificates, Authorities.',
  ].join('\n'),
  stepsFirefox: [
    'Download ca.crt.',
    'Open Settings, search for “Certificates”, and choose “View Certificates”, “Authorities”, “Import”.',
    'Choose the file and tick that it may identify websites.',
  ].join('\n'),
};

const es: typeof en = {
  title: 'Confiar en esta pasarela',
  nothing: 'No hay nada que instalar: esta pasarela muestra un certificado de fuera, o no habla TLS.',
  compare: 'Compara antes de instalar',
  compareText:
    'El dispositivo muestra esta huella (SHA-256) del certificado cuando lo instalas. Una página sin TLS se puede cambiar por el camino, así que compárala con la que da la propia pasarela:',
  journal: 'También está en el diario de la pasarela, como «CA SHA-256», cada vez que arranca.',
  fingerprint: 'Huella de la autoridad (SHA-256)',
  onGateway: 'En la pasarela',
  then: 'Después, ábrela con TLS',
  thenText: 'Entra allí desde ahora: nadie puede leerlo por el camino.',
  isSecure: 'Ya has abierto esta página con TLS.',
  back: 'Volver',
  install: 'Confiar en ella en este dispositivo',
  installText:
    'Instala la autoridad una vez en cada teléfono y ordenador. Desde entonces, navegadores y aplicaciones MQTT confían en esta pasarela, y siguen avisando de los demás como antes.',
  caFile: 'Descargar ca.crt',
  caProfile: 'Perfil para iPhone, iPad y Mac',
  system: 'Este dispositivo',
  stepsAndroid: [
    'Descarga ca.crt en el teléfono.',
    'Abre Ajustes, busca “certificado de CA” y elige instalar uno. Android avisa de que un certificado así puede ver el tráfico: es tu propia pasarela.',
    'Elige el archivo descargado. Los navegadores se fían desde ese momento; una aplicación, si su autor lo permite; si no, dale el archivo en sus propios ajustes.',
  ].join('\n'),
  stepsIos: [
    'Abre el perfil en Safari y permite la descarga.',
    'Abre Ajustes, toca “Perfil descargado” e instálalo.',
    'Abre Ajustes, General, Información, Ajustes de confianza de los certificados, y activa esta pasarela.',
  ].join('\n'),
  stepsMacos: [
    'Descarga el perfil y ábrelo.',
    'Abre Ajustes del Sistema, busca “Perfiles” e instálalo.',
  ].join('\n'),
  stepsWindows: [
    'Descarga ca.crt y ábrelo.',
    'Elige “Instalar certificado”, este usuario o este equipo, y después “Entidades de certificación raíz de confianza”.',
  ].join('\n'),
  stepsLinux: [
    'Descarga ca.crt.',
    'Debian, Ubuntu y Raspberry Pi OS: sudo cp ca.crt /usr/local/share/ca-certificates/gatehouse.crt && sudo update-ca-certificates',
    'Chrome y Firefox tienen listas propias: impórtalo allí en Certificados, Autoridades.',
  ].join('\n'),
  stepsFirefox: [
    'Descarga ca.crt.',
    'Abre Ajustes, busca “Certificados” y elige “Ver certificados”, “Autoridades”, “Importar”.',
    'Elige el archivo y marca que puede identificar sitios web.',
  ].join('\n'),
};

const zh: typeof en = {
  title: '信任此网关',
  nothing: '没有需要安装的内容：此网关使用外部证书，或者没有启用 TLS。',
  compare: '安装前先核对',
  compareText:
    '安装时，设备会显示证书的这个指纹（SHA-256）。没有 TLS 的页面可能在途中被篡改，所以要与网关本机上的指纹核对：',
  journal: '网关每次启动时，也会在日志中写下它：“CA SHA-256”。',
  fingerprint: '证书颁发机构的指纹（SHA-256）',
  onGateway: '在网关上',
  then: '然后用 TLS 打开',
  thenText: '以后在那里登录：途中没有人能读取。',
  isSecure: '你已经在用 TLS 打开此页。',
  back: '返回',
  install: '在这台设备上信任它',
  installText:
    '在每台手机和电脑上安装一次颁发机构证书。此后浏览器和 MQTT 应用就会信任此网关，对其他网站的警告不受影响。',
  caFile: '下载 ca.crt',
  caProfile: 'iPhone、iPad 和 Mac 的描述文件',
  system: '这台设备',
  stepsAndroid: [
    '在手机上下载 ca.crt。',
    '打开“设置”，搜索“CA 证书”，选择安装。Android 会警告此类证书可以查看流量：这是你自己的网关。',
    '选择下载的文件。浏览器从此信任它；应用则取决于其开发者，否则在应用自己的设置中提供该文件。',
  ].join('\n'),
  stepsIos: [
    '在 Safari 中打开描述文件并允许下载。',
    '打开“设置”，轻点“已下载描述文件”并安装。',
    '打开“设置”、“通用”、“关于本机”、“证书信任设置”，启用此网关。',
  ].join('\n'),
  stepsMacos: ['下载描述文件并打开。', '打开“系统设置”，搜索“描述文件”并安装。'].join('\n'),
  stepsWindows: [
    '下载 ca.crt 并打开。',
    '选择“安装证书”，当前用户或本地计算机，然后选择“受信任的根证书颁发机构”。',
  ].join('\n'),
  stepsLinux: [
    '下载 ca.crt。',
    'Debian、Ubuntu 和 Raspberry Pi OS：sudo cp ca.crt /usr/local/share/ca-certificates/gatehouse.crt && sudo update-ca-certificates',
    'Chrome 和 Firefox 有自己的列表：在“证书”、“颁发机构”中导入。',
  ].join('\n'),
  stepsFirefox: [
    '下载 ca.crt。',
    '打开“设置”，搜索“证书”，选择“查看证书”、“证书颁发机构”、“导入”。',
    '选择文件，并勾选可用于标识网站。',
  ].join('\n'),
};

export const WORDS: AreaWords<typeof en> = { en, es, zh };
