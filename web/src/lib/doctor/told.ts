/**
 * The findings of the check-up in the languages that the gateway does not speak itself: its own sentences are English, and
 * what they say follows from the kind of a finding and its facts. Pure.
 */

import type { DoctorFinding, DoctorKind } from '../api/generated';
import { gatewayWords } from '../i18n/gateway-words';
import type { Language } from '../i18n/language';

/** What is, why it matters, what to do. */
export interface Told {
  what: string;
  why: string;
  remedy: string;
}

type Sentences = (...facts: string[]) => [what: string, why: string, remedy: string];
type Kinds = Record<DoctorKind, Sentences>;

/** What to do about a gateway that does not run, by why it does not. */
type Remedies = Record<'configuration' | 'data-too-new' | 'damaged' | 'failed' | 'stopped', string>;

/** Of a reason that this page does not know yet, what helps against any. */
const remedyOf = (remedies: Remedies, why = '') => remedies[why as keyof Remedies] ?? remedies.failed;

const ENDED_ES: Record<string, string> = {
  'out-of-memory': 'el núcleo lo terminó porque necesitaba más memoria de la que había para ella',
  hung: 'se colgó y lo terminó el perro guardián del servicio',
  crashed: 'falló o alguien lo mató',
  'cut-off': 'la máquina se quedó sin luz, o se reinició sin detenerla',
};

const NOT_RUNNING_ES = {
  configuration: 'Su configuración tiene errores, y no arranca con ella.',
  stopped: 'No se sabe de ningún arranque fallido: alguien la detuvo, o su registro lo dice.',
};
const NOT_RUNNING_REMEDY_ES: Remedies = {
  configuration:
    'Corrige la configuración: gatehouse check muestra cada error. Luego: sudo systemctl restart gatehouse.',
  'data-too-new':
    'Instala otra vez la versión más nueva. O vuelve a los datos de antes de la actualización: sudo gatehouse rollback dice primero qué se pierde y pregunta; luego sudo systemctl restart gatehouse.',
  damaged:
    'Restaura una copia de seguridad: sudo gatehouse restore con su archivo. Lo que hay se conserva aparte. Luego: sudo systemctl restart gatehouse.',
  failed: 'Arregla el motivo y luego: sudo systemctl restart gatehouse. journalctl -u gatehouse dice más.',
  stopped:
    'Arráncala: sudo systemctl start gatehouse. Si no sigue en marcha, journalctl -u gatehouse dice por qué.',
};

const waitEs = (devices = '') =>
  devices === ''
    ? 'Nada está configurado ahí; lo que esté conectado no se encuentra.'
    : `Configurado ahí y sin funcionar: ${devices}.`;
const lineEs = (line: string) =>
  `Escribe la línea ${line} en /boot/firmware/config.txt y reinicia la máquina.`;

const es: Kinds = {
  'configuration-wrong': (file, count) => [
    `${file} tiene errores: ${count}.`,
    'La pasarela no arranca con ella, y no se puede comprobar qué necesita de esta máquina.',
    `gatehouse check ${file} muestra cada uno con su línea y qué escribir en su lugar.`,
  ],
  'not-running': (how, why = '') => [
    'La pasarela está instalada como servicio y no funciona.',
    why === ''
      ? how === 'configuration'
        ? NOT_RUNNING_ES.configuration
        : NOT_RUNNING_ES.stopped
      : `El último arranque dio este motivo: «${gatewayWords(why)}».`,
    remedyOf(NOT_RUNNING_REMEDY_ES, how),
  ],
  'release-failed': (failed, runs, why = '') => [
    `La versión ${failed} no arrancó, así que en su lugar funciona la ${runs}.`,
    `Dio este motivo: «${gatewayWords(why)}».`,
    'Arregla el motivo, o toma un paquete que lo arregle, e instálalo: la versión más nueva se prueba otra vez con cada paquete que se instala.',
  ],
  'no-way-back': (version, why = '') => [
    `La actualización a la versión ${version} no guardó ninguna copia de lo anterior.`,
    `El motivo: «${gatewayWords(why)}». Todo funciona, pero gatehouse rollback no tiene a qué volver.`,
    'Antes de la próxima actualización, haz una copia de seguridad (sudo gatehouse backup) y sitio en el disco.',
  ],
  'port-taken': (port, section, holder) => [
    `El puerto ${port} de ${section} lo usa ${holder}.`,
    'La pasarela no puede escuchar ahí, y no arranca si ese puerto se pidió.',
    `Detén ese programa, o elige otro puerto con listen en ${section}.`,
  ],
  'mosquitto-has-port': (port) => [
    `Mosquitto tiene el puerto ${port}, donde escucha el bróker de la pasarela.`,
    'Dos brókeres no pueden tener un mismo puerto: la pasarela usa el siguiente libre, o no arranca si se pidió justo este.',
    'Detén Mosquitto y evita que arranque: sus clientes encuentran el bróker de la pasarela en su lugar. O elige otro puerto con listen en [mqtt], y deja que Mosquitto pase los mensajes con una connection en su propia configuración.',
  ],
  'mosquitto-starts': (port) => [
    `Mosquitto también arranca con la máquina y quiere el puerto ${port} de la pasarela.`,
    'El que arranca primero tiene el puerto; tras un reinicio de la máquina la pasarela puede estar en otro, o no arrancar si se pidió justo este.',
    'Evita que Mosquitto arranque, o dale otro puerto.',
  ],
  'mqtt-port-free': (port, given, minutes) => [
    `El puerto ${port} de [mqtt] está libre, y el bróker de la pasarela está en ${given}.`,
    `Deja el ${port} al programa que lo tenía, para que los dos encuentren sus puertos, arranque quien arranque primero con la máquina.`,
    `Si ningún otro programa necesita el ${port}, reinicia la pasarela cuando la máquina lleve ${minutes} minutos encendida: toma también el ${port} y conserva el ${given}.`,
  ],
  'i2c-off': (devices) => ['I²C está apagado.', waitEs(devices), lineEs('dtparam=i2c_arm=on')],
  'spi-off': (devices) => ['SPI está apagado.', waitEs(devices), lineEs('dtparam=spi=on')],
  'serial-off': (devices) => [
    'El puerto serie de los pines está apagado.',
    waitEs(devices),
    lineEs('enable_uart=1'),
  ],
  'one-wire-off': (devices) => [
    '1-Wire está apagado.',
    waitEs(devices),
    'Escribe la línea dtoverlay=w1-gpio,gpiopin= con el número de un GPIO libre (4 es lo usual) en /boot/firmware/config.txt y reinicia la máquina.',
  ],
  'bus-after-restart': (bus) => [
    `${bus}: encendido en config.txt, y aún no está.`,
    'El firmware lee ese archivo cuando la máquina arranca.',
    'Reinicia la máquina. Si ya lo hiciste, busca una línea posterior que lo apague otra vez.',
  ],
  'serial-console': (devices) => [
    'La consola del sistema está en el puerto serie de los pines.',
    `Escribe entre lo que dicen estos dispositivos y lee sus respuestas: ${devices}.`,
    'Quita console=serial0,115200 de /boot/firmware/cmdline.txt, que debe seguir siendo una sola línea, y reinicia la máquina.',
  ],
  'user-missing': (user) => [
    `Falta el usuario ${user}.`,
    'El servicio funciona con este usuario y no arranca sin él.',
    'sudo systemd-sysusers gatehouse.conf lo crea, con los grupos de los dispositivos.',
  ],
  'groups-missing': (groups) => [
    `Faltan grupos: ${groups}.`,
    'La unidad del servicio los nombra; systemd no arranca un servicio con un grupo que no existe.',
    'sudo systemd-sysusers gatehouse.conf los crea.',
  ],
  'not-in-groups': (groups) => [
    `El usuario del servicio no está en estos grupos de dispositivos: ${groups}.`,
    'Los dispositivos de esos grupos no se pueden abrir. La unidad del paquete nombra los grupos; aquí se cambió.',
    'Añade el usuario gatehouse a esos grupos y reinicia la pasarela.',
  ],
  'device-forbidden': (device, group) => [
    `El usuario del servicio no puede abrir ${device}, que es del grupo ${group}.`,
    'Lo que está configurado ahí no funciona.',
    'La regla de udev del paquete (60-gatehouse.rules) da el dispositivo a un grupo del servicio: haz que udev la aplique otra vez, o reinicia la máquina.',
  ],
  'line-taken': (line, owner, device) => [
    `GPIO ${line} lo tiene ${owner}.`,
    `El dispositivo ${device} está configurado ahí y no puede tenerlo.`,
    'Detén ese programa, quita su dtoverlay de config.txt, o elige otro pin.',
  ],
  pigpiod: () => [
    'pigpiod funciona, o arranca con la máquina.',
    'Mueve pines a espaldas del núcleo, de modo que ni el núcleo ni la pasarela saben de quién es un pin: puede conmutar una salida de la pasarela.',
    'Si ya nada lo necesita, detenlo y evita que arranque.',
  ],
  'memory-limit-off': () => [
    'El núcleo no cuenta la memoria de los servicios.',
    'El límite del servicio (MemoryMax) no tiene efecto: una fuga, aquí o en otro servicio, tumba toda la máquina.',
    'Añade cgroup_enable=memory al final de la única línea de /boot/firmware/cmdline.txt y reinicia la máquina.',
  ],
  'clock-not-set': () => [
    'El reloj no está en hora, y no hay chip de reloj.',
    'Tras un corte de luz esta máquina vuelve con la hora de su último apagado. Las lecturas esperan a que el reloj esté en hora, y los certificados pueden no valer aún.',
    'Deja que la máquina alcance un servidor de hora (timedatectl dice si lo hace), o añade un chip de reloj como el DS3231.',
  ],
  'disk-nearly-full': (free) => [
    `Al disco con los datos le quedan ${free}.`,
    'Cuando se llene, el historial se detiene y se dice a los clientes que nada se puede guardar para ellos.',
    'Haz sitio: sudo apt clean, sudo journalctl --vacuum-size=100M; o deja que el historial guarde menos ([history]).',
  ],
  'disk-read-only': (place) => [
    `El sistema de archivos en ${place} es de solo lectura.`,
    'Nada se puede guardar ahí: ni historial, ni cuentas, ni mensajes retenidos.',
    'El núcleo lo hace con un sistema de archivos con errores: sudo dmesg dice cuáles, y un reinicio lo revisa. Si vuelve a pasar, la tarjeta está gastada: haz una copia de seguridad y pásala a una nueva.',
  ],
  'runs-from-memory': (place) => [
    `La pasarela funciona desde la memoria, porque al arrancar no se podía escribir en el disco con ${place}.`,
    'Nada de lo que pasa ahora se guarda cuando termine: ni historial, ni mensajes. Se rechazan los cambios de configuración y de cuentas.',
    'Haz ahora una copia de seguridad (Sistema → Copia de seguridad). Si el disco está lleno, haz sitio y reinicia la pasarela; si no, reinicia la máquina, que revisa el disco. Si vuelve a pasar, la tarjeta está gastada: pasa la copia a una nueva.',
  ],
  'under-voltage': () => [
    'La fuente de alimentación da, o dio desde el arranque, muy poca tensión.',
    'El procesador va más lento, los dispositivos USB se caen, y una escritura cortada puede estropear la tarjeta.',
    'Usa la fuente propia de la placa y un cable corto y grueso; da fuente propia a lo que consume mucho.',
  ],
  'swap-on-card': (place) => [
    `La memoria de intercambio está en la tarjeta: ${place}.`,
    'Una máquina que intercambia escribe sin fin, lo que gasta la tarjeta, y todo la espera.',
    'Si la memoria alcanza, apágala (sudo swapoff -a); zram, en memoria, no cuesta nada a la tarjeta.',
  ],
  'watchdog-unused': () => [
    'El perro guardián de esta placa no se usa.',
    'Cuando se cuelga toda la máquina, nadie la arranca otra vez; el de la pasarela solo reinicia la pasarela.',
    'Escribe RuntimeWatchdogSec=15 bajo [Manager] en /etc/systemd/system.conf.d/watchdog.conf y reinicia la máquina.',
  ],
  'journal-volatile': () => [
    'El registro se pierde en cada reinicio de la máquina.',
    'Lo registrado antes de un fallo o un corte de luz no se puede leer después. A cambio, cuida la tarjeta.',
    'Para guardarlo: Storage=persistent y SystemMaxUse=50M bajo [Journal] en /etc/systemd/journald.conf.d/keep.conf.',
  ],
  'no-ipv6': () => [
    'Esta máquina no tiene IPv6.',
    'La pasarela escucha solo en IPv4; un teléfono que solo conoce su dirección IPv6 no la alcanza.',
    'No hace falta hacer nada. Para tenerlo, quita ipv6.disable=1 de cmdline.txt si está.',
  ],
  'network-gone': () => [
    'Esta máquina no tiene red.',
    'Los teléfonos, los dispositivos Wi-Fi y los servidores de hora están fuera de alcance. Los sensores, las salidas, los enclavamientos y el historial de la propia máquina siguen.',
    'Revisa el cable o el Wi-Fi, y el router: ip address muestra qué tiene esta máquina.',
  ],
  'last-run-ended': (how) => [
    `La ejecución anterior de la pasarela no terminó en orden: ${ENDED_ES[how ?? ''] ?? how ?? ''}.`,
    how === 'cut-off'
      ? 'Todo lo confirmado está ahí; al historial le faltan como mucho los últimos momentos.'
      : 'Arrancó sola de nuevo, con sus salidas llevadas entre tanto a su nivel seguro.',
    how === 'cut-off'
      ? 'No hay que hacer nada. sudo shutdown now detiene una máquina en orden.'
      : 'journalctl -u gatehouse -b all dice qué pasó antes. Si vuelve a ocurrir, infórmalo con eso.',
  ],
};

const ENDED_ZH: Record<string, string> = {
  'out-of-memory': '所需内存超过了可用的上限，被内核终止',
  hung: '停止响应，被服务的看门狗终止',
  crashed: '崩溃或被终止',
  'cut-off': '机器断电，或未经停止就被重启',
};

const NOT_RUNNING_ZH = {
  configuration: '配置有错误，网关无法用它启动。',
  stopped: '没有启动失败的记录：有人停止了它，或者日志里有说明。',
};
const NOT_RUNNING_REMEDY_ZH: Remedies = {
  configuration: '改正配置：gatehouse check 会显示每处错误。然后运行 sudo systemctl restart gatehouse。',
  'data-too-new':
    '重新安装较新的版本；或者回到升级之前的数据：sudo gatehouse rollback 会先说明将失去什么并询问，然后运行 sudo systemctl restart gatehouse。',
  damaged:
    '恢复一份备份：sudo gatehouse restore 加上备份文件。现有的数据会另存。然后运行 sudo systemctl restart gatehouse。',
  failed: '消除原因，然后运行 sudo systemctl restart gatehouse。journalctl -u gatehouse 有更多说明。',
  stopped: '启动它：sudo systemctl start gatehouse。如果它没有继续运行，journalctl -u gatehouse 会说明原因。',
};

const waitZh = (devices = '') =>
  devices === '' ? '没有设备配置在上面；接在那里的东西找不到。' : `配置在上面但不工作的：${devices}。`;
const lineZh = (line: string) => `在 /boot/firmware/config.txt 中写入 ${line} 这一行，然后重启机器。`;

const zh: Kinds = {
  'configuration-wrong': (file, count) => [
    `${file} 有错误：${count} 处。`,
    '网关无法用它启动，也无法检查它对这台机器的要求。',
    `gatehouse check ${file} 会显示每处错误的行号和应写的内容。`,
  ],
  'not-running': (how, why = '') => [
    '网关已安装为服务，但没有运行。',
    why === ''
      ? how === 'configuration'
        ? NOT_RUNNING_ZH.configuration
        : NOT_RUNNING_ZH.stopped
      : `上次启动给出的原因是“${gatewayWords(why)}”。`,
    remedyOf(NOT_RUNNING_REMEDY_ZH, how),
  ],
  'release-failed': (failed, runs, why = '') => [
    `版本 ${failed} 没有启动，因此由版本 ${runs} 代替运行。`,
    `它给出的原因：“${gatewayWords(why)}”。`,
    '解决这个原因，或取得已修复的软件包并安装：每次安装软件包都会再次尝试最新的版本。',
  ],
  'no-way-back': (version, why = '') => [
    `升级到版本 ${version} 时没有保留升级前的副本。`,
    `原因：“${gatewayWords(why)}”。一切照常，但 gatehouse rollback 没有可以返回的数据。`,
    '下次升级前先备份（sudo gatehouse backup），并在磁盘上腾出空间。',
  ],
  'port-taken': (port, section, holder) => [
    `${section} 的端口 ${port} 被 ${holder} 占用。`,
    '网关无法在那里监听；如果这个端口是指定的，网关就不会启动。',
    `停止那个程序，或在 ${section} 中用 listen 选择另一个端口。`,
  ],
  'mosquitto-has-port': (port) => [
    `Mosquitto 占用了端口 ${port}，网关自己的代理要在那里监听。`,
    '两个代理不能共用一个端口：网关会改用下一个空闲端口；如果指定了这个端口，网关就不会启动。',
    '停止 Mosquitto 并不让它自启：它的客户端会改为找到网关的代理。或在 [mqtt] 中用 listen 选择另一个端口，并在 Mosquitto 自己的配置里用 connection 转发消息。',
  ],
  'mosquitto-starts': (port) => [
    `Mosquitto 也随机器启动，并要用网关的端口 ${port}。`,
    '谁先启动谁就占有端口；机器重启后网关可能在另一个端口上，如果指定了这个端口则无法启动。',
    '不让 Mosquitto 自启，或给它另一个端口。',
  ],
  'mqtt-port-free': (port, given, minutes) => [
    `[mqtt] 的端口 ${port} 是空闲的，而网关的代理在 ${given} 上。`,
    `它把 ${port} 留给原先占用它的程序，这样机器启动时无论谁先启动，双方都能得到自己的端口。`,
    `如果没有其他程序需要 ${port}，在机器开机 ${minutes} 分钟之后重启网关：它会同时使用 ${port}，并保留 ${given}。`,
  ],
  'i2c-off': (devices) => ['I²C 已关闭。', waitZh(devices), lineZh('dtparam=i2c_arm=on')],
  'spi-off': (devices) => ['SPI 已关闭。', waitZh(devices), lineZh('dtparam=spi=on')],
  'serial-off': (devices) => ['排针上的串口已关闭。', waitZh(devices), lineZh('enable_uart=1')],
  'one-wire-off': (devices) => [
    '1-Wire 已关闭。',
    waitZh(devices),
    '在 /boot/firmware/config.txt 中写入 dtoverlay=w1-gpio,gpiopin= 加一个空闲 GPIO 的编号（通常是 4），然后重启机器。',
  ],
  'bus-after-restart': (bus) => [
    `${bus} 已在 config.txt 中打开，但还没有出现。`,
    '固件在机器启动时读取该文件。',
    '重启机器。如果已经重启过，请查找后面是否有一行又把它关闭了。',
  ],
  'serial-console': (devices) => [
    '系统控制台占用了排针上的串口。',
    `它会混入这些设备的数据，并读走它们的回答：${devices}。`,
    '从 /boot/firmware/cmdline.txt 中去掉 console=serial0,115200（该文件必须保持一行），然后重启机器。',
  ],
  'user-missing': (user) => [
    `缺少用户 ${user}。`,
    '服务以此用户运行，没有它就无法启动。',
    'sudo systemd-sysusers gatehouse.conf 会创建它和设备的用户组。',
  ],
  'groups-missing': (groups) => [
    `缺少用户组：${groups}。`,
    '服务单元中写有这些组；组不存在时 systemd 不会启动服务。',
    'sudo systemd-sysusers gatehouse.conf 会创建它们。',
  ],
  'not-in-groups': (groups) => [
    `服务的用户不在这些设备组中：${groups}。`,
    '这些组的设备无法打开。软件包的单元写有这些组；这里被改过了。',
    '把用户 gatehouse 加入这些组，然后重启网关。',
  ],
  'device-forbidden': (device, group) => [
    `服务的用户不能打开 ${device}，它属于组 ${group}。`,
    '配置在那里的设备不工作。',
    '软件包的 udev 规则（60-gatehouse.rules）会把设备交给服务的组：让 udev 再应用一次，或重启机器。',
  ],
  'line-taken': (line, owner, device) => [
    `GPIO ${line} 被 ${owner} 占用。`,
    `设备 ${device} 配置在那里，却得不到它。`,
    '停止那个程序，从 config.txt 中去掉它的 dtoverlay，或选择另一个引脚。',
  ],
  pigpiod: () => [
    'pigpiod 正在运行，或随机器启动。',
    '它绕过内核驱动引脚，内核和网关都不知道引脚归谁：它可能切换网关的输出。',
    '如果不再需要它，请停止它并不让它自启。',
  ],
  'memory-limit-off': () => [
    '内核不统计服务的内存。',
    '服务的限制（MemoryMax）不起作用：这里或别的服务一旦泄漏，会拖垮整台机器。',
    '在 /boot/firmware/cmdline.txt 唯一一行的末尾加上 cgroup_enable=memory，然后重启机器。',
  ],
  'clock-not-set': () => [
    '时钟没有校准，也没有时钟芯片。',
    '断电后这台机器会带着上次关机的时间启动。读数要等时钟校准，证书也可能尚未生效。',
    '让机器连上时间服务器（timedatectl 会显示是否连上），或加一个 DS3231 之类的时钟芯片。',
  ],
  'disk-nearly-full': (free) => [
    `存放数据的磁盘只剩 ${free}。`,
    '写满后历史会停止，客户端会被告知无法为其保存内容。',
    '腾出空间：sudo apt clean、sudo journalctl --vacuum-size=100M；或让历史少保存一些（[history]）。',
  ],
  'disk-read-only': (place) => [
    `${place} 的文件系统是只读的。`,
    '那里什么都存不了：历史、账户、保留消息。',
    '内核对有错误的文件系统会这样做：sudo dmesg 会说明原因，重启会检查它。如果再次发生，说明卡已磨损：备份后写到新卡上。',
  ],
  'runs-from-memory': (place) => [
    `网关正在从内存运行，因为启动时存放 ${place} 的磁盘无法写入。`,
    '现在发生的一切在它结束后都不会保留：没有历史，也没有消息。对配置和账户的更改会被拒绝。',
    '现在就备份（“系统 → 备份”）。如果磁盘已满，腾出空间并重启网关；否则重启机器，它会检查磁盘。如果再次出现，说明卡已磨损：把备份写到新卡上。',
  ],
  'under-voltage': () => [
    '电源电压过低，或启动以来曾经过低。',
    '处理器会降速，USB 设备会掉线，写入中断可能损坏存储卡。',
    '使用该板的专用电源和短而粗的线；耗电大的设备单独供电。',
  ],
  'swap-on-card': (place) => [
    `交换空间在存储卡上：${place}。`,
    '频繁交换的机器会不停写入，磨损存储卡，一切都要等它。',
    '内存够用时请关闭它（sudo swapoff -a）；内存中的 zram 不会磨损卡。',
  ],
  'watchdog-unused': () => [
    '这块板的硬件看门狗没有使用。',
    '整台机器死机时没有谁会重启它；网关自己的看门狗只会重启网关。',
    '在 /etc/systemd/system.conf.d/watchdog.conf 的 [Manager] 下写入 RuntimeWatchdogSec=15，然后重启机器。',
  ],
  'journal-volatile': () => [
    '日志会在每次机器重启时丢失。',
    '崩溃或断电前的日志之后无法读取。好处是不磨损存储卡。',
    '若要保留：在 /etc/systemd/journald.conf.d/keep.conf 的 [Journal] 下写入 Storage=persistent 和 SystemMaxUse=50M。',
  ],
  'no-ipv6': () => [
    '这台机器没有 IPv6。',
    '网关只在 IPv4 上监听；只知道它 IPv6 地址的手机连不上。',
    '不必处理。若要启用，请去掉 cmdline.txt 中的 ipv6.disable=1。',
  ],
  'network-gone': () => [
    '这台机器没有网络。',
    '手机、Wi-Fi 设备和时间服务器都连不上。机器自己的传感器、输出、联锁和历史照常。',
    '检查网线或 Wi-Fi，以及路由器：ip address 会显示这台机器有什么地址。',
  ],
  'last-run-ended': (how) => [
    `网关上次运行没有正常结束：${ENDED_ZH[how ?? ''] ?? how ?? ''}。`,
    how === 'cut-off'
      ? '已确认的内容都在；历史最多缺少最后片刻。'
      : '它已自动重新启动，其间输出被置于安全状态。',
    how === 'cut-off'
      ? '不必处理。sudo shutdown now 可以正常关机。'
      : 'journalctl -u gatehouse -b all 会说明之前发生了什么。如果再次发生，附上它来报告。',
  ],
};

const LANGUAGES: Partial<Record<Language, Kinds>> = { es, zh };

/** A finding in the reader's language; of a kind that this page does not know yet, in the gateway's own words. */
export function told(finding: DoctorFinding, language: Language): Told {
  const sentences: Sentences | undefined = LANGUAGES[language]?.[finding.kind];
  if (sentences === undefined) return { what: finding.what, why: finding.why, remedy: finding.remedy };
  // Names of programs come between the marks of the terminal.
  const [what, why, remedy] = sentences(...finding.facts.map((fact) => fact.replaceAll('`', '')));
  return { what, why, remedy };
}
