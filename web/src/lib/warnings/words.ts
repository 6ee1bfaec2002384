import type { AreaWords } from '../i18n/language';

/** Each says what is, and on a second line what goes on meanwhile and what to do. */
const en = {
  backupFailing: (why: string) =>
    `No backup makes itself: ${why}\nEverything else goes on. See System → Backup; it is tried again by itself.`,
  partHangs: (parts: string) =>
    `No answer from ${parts}.\nEverything else goes on. If this lasts, the outputs go safe and the gateway starts again: within half a minute, or after two minutes where it is a database, which means that its disk hangs. Make a backup as soon as the disk answers, and look at the card.`,
  partBroker: 'the broker',
  partOutputs: 'the outputs',
  partInputs: 'the sensors and inputs',
  partMessages: 'the messages of the board',
  partPage: 'the live values',
  partStore: 'the database of the broker',
  partHistory: 'the database of history',
  partAccounts: 'the database of the people',
  partsBetween: ', ',
  diskNearlyFull: (free: string) =>
    `The gateway’s disk is nearly full: ${free} left.\nEverything goes on; history gives up its oldest days to keep some room free. Make room with sudo apt clean and sudo journalctl --vacuum-size=100M, or let history keep less.`,
  diskFull: `The gateway’s disk is full.\nSwitching, inputs and live values go on. What is measured waits in memory, messages that have to be kept are refused, and nobody new can log in. Make room: it goes on by itself within a minute.`,
  diskReadOnly: (place: string) =>
    `The gateway’s disk cannot be written (${place}).\nSwitching, inputs and live values go on; nothing is kept. The system does this to a card with errors: restart the machine, which checks the card, and make a backup at once. If it comes back, the card is worn out: replace it.`,
  unwritableAtStart: (place: string) =>
    `The gateway runs from memory: its disk could not be written at the start (${place}).\nSwitching, sensors and messages go on, but nothing that happens now is kept when it ends. Settings cannot be changed, and no people, phones and tokens be added; removing them, log-outs and new passwords hold until the restart only, so do that again afterwards. Make a backup now (System → Backup), then restart the machine, which checks the card. If this comes back, the card is worn out: replace it.`,
  fullAtStart: (place: string) =>
    `The gateway runs from memory: its disk was full at the start (${place}).\nSwitching, sensors and messages go on, but what happens now is not kept when it ends. Settings cannot be changed, and no people, phones and tokens be added; removing them, log-outs and new passwords hold until the restart only, so do that again afterwards. Make room on the disk: a few minutes later the gateway restarts by itself, or restart it now.`,
  clockNotSet: `The clock is not set.\nSwitching goes on. What is measured is held until the time is known, and outputs that come back as they were do not trust it yet. Let the gateway reach a time server, or add a clock chip such as a DS3231.`,
  clockForward: (by: string) =>
    `The clock was set forward by ${by} within the last hour.\nOn-times and timers are not affected. History has a gap where the time was skipped.`,
  clockBack: (by: string) =>
    `The clock was set back by ${by} within the last hour.\nOn-times and timers are not affected. What history has of the repeated time stands beside what is measured now.`,
  networkGone: `The gateway has no network.\nSensors, outputs, interlocks and history on the gateway itself go on; phones and Wi-Fi devices do not reach it. Check its cable or Wi-Fi and the router. It goes on by itself when the network is back.`,
  endedOutOfMemory: `The gateway ran out of memory and started again.\nOutputs were driven safe in between. If it happens again, look at System → Log and at what else runs on the machine, and report it.`,
  endedHung: `The gateway hung, and its watchdog started it again.\nOutputs were driven safe in between. The journal (journalctl -u gatehouse) says what did not answer; a disk that hangs is the most likely.`,
  endedCrashed: `The gateway crashed or was killed, and started again.\nOutputs were driven safe in between. The journal (journalctl -u gatehouse) says more; report it if nobody killed it.`,
  endedCutOff: `The gateway was cut off from its power, or restarted without being stopped.\nEverything acknowledged is there; of history, at most the last moments are missing. Nothing has to be done.`,
  releaseFailed: (failed: string, runs: string, why: string) =>
    `Release ${failed} did not start, so release ${runs} runs in its place: ${why}\nEverything works as before the upgrade. The newer release is tried again when a package is installed: mend the reason, or wait for a package that has it mended.`,
  noWayBack: (version: string, why: string) =>
    `The upgrade to release ${version} kept no copy of what was before it: ${why}\nEverything works, but gatehouse rollback has nothing to go back to. Before the next upgrade, make a backup (System → Backup) and room on the disk.`,
  mqttMoved: (usual: string, port: string, holder: string) =>
    `MQTT is on port ${port}: the usual port ${usual} is ${holder ? `taken by ${holder}` : 'left to another program'}.\nClients that look for the gateway on ${usual} do not find it. Give clients the port ${port}, which the gateway keeps; write it as listen below [mqtt], and this is no longer told. Or stop the other program (System → Check-up mends a Mosquitto) and restart the gateway: it then takes ${usual} too.`,
};

const es: typeof en = {
  backupFailing: (why) =>
    `Las copias automáticas no se hacen: ${why}\nTodo lo demás sigue. Mira Sistema → Copia de seguridad; se intenta de nuevo sin más.`,
  partHangs: (parts) =>
    `Sin respuesta: ${parts}.\nTodo lo demás sigue. Si dura, las salidas pasan a su nivel seguro y la pasarela arranca de nuevo: en medio minuto, o a los dos minutos si es una base de datos, lo que significa que su disco se cuelga. Haz una copia de seguridad en cuanto el disco conteste, y revisa la tarjeta.`,
  partBroker: 'el bróker',
  partOutputs: 'las salidas',
  partInputs: 'los sensores y las entradas',
  partMessages: 'los mensajes de la placa',
  partPage: 'los valores en directo',
  partStore: 'la base de datos del bróker',
  partHistory: 'la base de datos del historial',
  partAccounts: 'la base de datos de las personas',
  partsBetween: ', ',
  diskNearlyFull: (free) =>
    `El disco de la pasarela está casi lleno: quedan ${free}.\nTodo sigue; el historial suelta sus días más antiguos para dejar algo de sitio. Haz sitio con sudo apt clean y sudo journalctl --vacuum-size=100M, o deja que el historial guarde menos.`,
  diskFull: `El disco de la pasarela está lleno.\nEl control, las entradas y los valores en directo siguen. Lo medido espera en memoria, los mensajes que hay que guardar se rechazan, y nadie más puede iniciar sesión. Haz sitio: sigue solo en menos de un minuto.`,
  diskReadOnly: (place) =>
    `No se puede escribir en el disco de la pasarela (${place}).\nEl control, las entradas y los valores en directo siguen; nada se guarda. El sistema lo hace con una tarjeta con errores: reinicia la máquina, que revisa la tarjeta, y haz enseguida una copia de seguridad. Si vuelve a pasar, la tarjeta está gastada: cámbiala.`,
  unwritableAtStart: (place) =>
    `La pasarela funciona desde la memoria: al arrancar no se podía escribir en su disco (${place}).\nEl control, los sensores y los mensajes siguen, pero nada de lo que pasa ahora se guarda cuando termine. No se pueden cambiar ajustes ni añadir personas, teléfonos o tokens; quitarlos, cerrar sesiones y poner contraseñas nuevas vale solo hasta el reinicio, así que repítelo después. Haz ahora una copia de seguridad (Sistema → Copia de seguridad) y después reinicia la máquina, que revisa la tarjeta. Si vuelve a pasar, la tarjeta está gastada: cámbiala.`,
  fullAtStart: (place) =>
    `La pasarela funciona desde la memoria: al arrancar su disco estaba lleno (${place}).\nEl control, los sensores y los mensajes siguen, pero lo que pasa ahora no se guarda cuando termine. No se pueden cambiar ajustes ni añadir personas, teléfonos o tokens; quitarlos, cerrar sesiones y poner contraseñas nuevas vale solo hasta el reinicio, así que repítelo después. Haz sitio en el disco: a los pocos minutos la pasarela se reinicia sola, o reiníciala ya.`,
  clockNotSet: `El reloj no está en hora.\nEl control sigue. Lo medido se retiene hasta que se sepa la hora, y las salidas que vuelven como estaban aún no se fían de ella. Deja que la pasarela alcance un servidor de hora, o añade un chip de reloj como el DS3231.`,
  clockForward: (by) =>
    `El reloj se adelantó ${by} en la última hora.\nLos tiempos de encendido y los temporizadores no cambian. El historial tiene un hueco donde se saltó el tiempo.`,
  clockBack: (by) =>
    `El reloj se atrasó ${by} en la última hora.\nLos tiempos de encendido y los temporizadores no cambian. Lo que el historial tiene del tiempo repetido queda junto a lo que se mide ahora.`,
  networkGone: `La pasarela no tiene red.\nLos sensores, las salidas, los enclavamientos y el historial de la propia pasarela siguen; los teléfonos y los dispositivos Wi-Fi no la alcanzan. Revisa su cable o su Wi-Fi y el router. Sigue sola cuando vuelva la red.`,
  endedOutOfMemory: `La pasarela se quedó sin memoria y arrancó de nuevo.\nEntre tanto las salidas se llevaron a su nivel seguro. Si vuelve a pasar, mira Sistema → Registro y qué más funciona en la máquina, e infórmalo.`,
  endedHung: `La pasarela se colgó, y su perro guardián la arrancó de nuevo.\nEntre tanto las salidas se llevaron a su nivel seguro. El registro del sistema (journalctl -u gatehouse) dice qué no contestó; lo más probable es un disco que se cuelga.`,
  endedCrashed: `La pasarela falló o alguien la mató, y arrancó de nuevo.\nEntre tanto las salidas se llevaron a su nivel seguro. El registro del sistema (journalctl -u gatehouse) dice más; infórmalo si nadie la mató.`,
  endedCutOff: `A la pasarela se le cortó la luz, o se reinició sin detenerla.\nTodo lo confirmado está ahí; del historial faltan como mucho los últimos momentos. No hay que hacer nada.`,
  releaseFailed: (failed, runs, why) =>
    `La versión ${failed} no arrancó, así que en su lugar funciona la ${runs}: ${why}\nTodo va como antes de la actualización. La versión nueva se prueba otra vez al instalar un paquete: arregla el motivo, o espera un paquete que lo arregle.`,
  noWayBack: (version, why) =>
    `La actualización a la versión ${version} no guardó ninguna copia de lo anterior: ${why}\nTodo funciona, pero gatehouse rollback no tiene a qué volver. Antes de la próxima actualización, haz una copia de seguridad (Sistema → Copia de seguridad) y sitio en el disco.`,
  mqttMoved: (usual, port, holder) =>
    `MQTT está en el puerto ${port}: el habitual, ${usual}, ${holder ? `lo ocupa ${holder}` : 'se deja a otro programa'}.\nLos clientes que buscan la pasarela en ${usual} no la encuentran. Da a los clientes el puerto ${port}, que la pasarela conserva; escríbelo como listen en [mqtt] y esto ya no se dice. O detén el otro programa (Sistema → Revisión arregla un Mosquitto) y reinicia la pasarela: entonces toma también el ${usual}.`,
};

const zh: typeof en = {
  backupFailing: (why) => `自动备份未能完成：${why}\n其他一切照常。见“系统 → 备份”；会自动重试。`,
  partHangs: (parts) =>
    `${parts}没有应答。\n其他一切照常。如果持续下去，输出会被置于安全状态，网关会重新启动：半分钟之内；如果是数据库，则在两分钟之后，这说明它的磁盘卡住了。磁盘一恢复应答就立即备份，并检查存储卡。`,
  partBroker: '代理',
  partOutputs: '输出',
  partInputs: '传感器和输入',
  partMessages: '板上的消息',
  partPage: '实时数值',
  partStore: '代理的数据库',
  partHistory: '历史数据库',
  partAccounts: '人员数据库',
  partsBetween: '、',
  diskNearlyFull: (free) =>
    `网关的磁盘快满了：还剩 ${free}。\n一切照常；历史会放弃最早的日子以留出空间。用 sudo apt clean 和 sudo journalctl --vacuum-size=100M 腾出空间，或让历史少保存一些。`,
  diskFull: `网关的磁盘已满。\n控制、输入和实时数值照常。测量值暂存在内存中，需要保存的消息被拒绝，无法再登录新用户。腾出空间：一分钟内会自动恢复。`,
  diskReadOnly: (place) =>
    `网关的磁盘无法写入（${place}）。\n控制、输入和实时数值照常；什么都不会保存。系统对有错误的存储卡会这样做：重启机器，它会检查存储卡，然后立即备份。如果再次发生，说明卡已磨损，需要更换。`,
  unwritableAtStart: (place) =>
    `网关正在从内存运行：启动时它的磁盘无法写入（${place}）。\n控制、传感器和消息照常，但现在发生的一切在它结束后都不会保留。不能更改设置，也不能添加人员、手机和令牌；移除它们、退出登录和新密码只在重启之前有效，重启后再做一次。现在就备份（“系统 → 备份”），然后重启机器，它会检查存储卡。如果再次出现，说明卡已磨损，需要更换。`,
  fullAtStart: (place) =>
    `网关正在从内存运行：启动时它的磁盘已满（${place}）。\n控制、传感器和消息照常，但现在发生的一切在它结束后都不会保留。不能更改设置，也不能添加人员、手机和令牌；移除它们、退出登录和新密码只在重启之前有效，重启后再做一次。在磁盘上腾出空间：几分钟后网关会自行重启，也可以现在就重启。`,
  clockNotSet: `时钟没有校准。\n控制照常。测量值会保留到知道时间为止，恢复原状的输出也暂不采信这个时间。让网关连上时间服务器，或加一个 DS3231 之类的时钟芯片。`,
  clockForward: (by) =>
    `时钟在最近一小时内被向前调了 ${by}。\n开启时长和定时器不受影响。历史在跳过的时间里有空缺。`,
  clockBack: (by) =>
    `时钟在最近一小时内被向后调了 ${by}。\n开启时长和定时器不受影响。历史中重复时间的数据与现在测得的并列保存。`,
  networkGone: `网关没有网络。\n网关自己的传感器、输出、联锁和历史照常；手机和 Wi-Fi 设备连不上它。检查网线或 Wi-Fi 以及路由器。网络恢复后会自动继续。`,
  endedOutOfMemory: `网关内存不足，已重新启动。\n其间输出已被置于安全状态。如果再次发生，查看“系统 → 日志”和这台机器上还在运行什么，并报告此问题。`,
  endedHung: `网关曾停止响应，看门狗已将它重新启动。\n其间输出已被置于安全状态。系统日志（journalctl -u gatehouse）会说明什么没有应答；最可能的是磁盘卡住。`,
  endedCrashed: `网关崩溃或被终止，已重新启动。\n其间输出已被置于安全状态。系统日志（journalctl -u gatehouse）有更多说明；如果没有人终止它，报告此问题。`,
  endedCutOff: `网关曾断电，或未经停止就被重启。\n已确认的内容都在；历史最多缺少最后片刻。不必处理。`,
  releaseFailed: (failed, runs, why) =>
    `版本 ${failed} 没有启动，因此由版本 ${runs} 代替运行：${why}\n一切与升级前一样。安装软件包时会再次尝试新版本：解决上述原因，或等待已修复的软件包。`,
  noWayBack: (version, why) =>
    `升级到版本 ${version} 时没有保留升级前的副本：${why}\n一切照常，但 gatehouse rollback 没有可以返回的数据。下次升级前先备份（“系统 → 备份”），并在磁盘上腾出空间。`,
  mqttMoved: (usual, port, holder) =>
    `MQTT 在端口 ${port}：常用端口 ${usual} ${holder ? `被 ${holder} 占用` : '留给了其他程序'}。\n在 ${usual} 上寻找网关的客户端找不到它。把端口 ${port} 告诉客户端，网关会保留它；在 [mqtt] 中写成 listen 后就不再提示。或停止那个程序（“系统 → 检查”可以处理 Mosquitto）并重启网关：它会同时使用 ${usual}。`,
};

export const WORDS: AreaWords<typeof en> = { en, es, zh };
