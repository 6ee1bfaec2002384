/** The sentences about one's own account. */

import type { AreaWords } from '../i18n/language';

const en = {
  change: 'Change the password',
  title: 'New password',
  current: 'Password now',
  currentMissing: 'Type the password that you use now.',
  currentWrong: 'This is not your password. Compare small and large letters.',
  new: 'New password',
  newHelp: (min: string) => `At least ${min} characters. A few words are easy to remember and hard to guess.`,
  newShort: (min: string) => `A password has at least ${min} characters.`,
  ends: 'It logs you out everywhere but here. Phones that you paired keep their own passwords.',
  tokens: 'Your tokens for scripts',
  takeTokens: 'Take back',
  keepTokens: 'Keep',
  takeMeans: 'Scripts with your tokens stop working. Choose this when somebody else may know your password.',
  keepMeans: 'Scripts with your tokens go on.',
  save: 'Save',
  saved: 'Your password is changed. You are logged out everywhere but here.',
  everywhere: 'Log out everywhere',
  everywhereEnds:
    'All other browsers with your account are logged out at once. Phones that you paired keep their own passwords.',
  here: 'This browser',
  stayHere: 'Stays logged in',
  leaveHere: 'Logs out too',
  leftNowhere: 'You were logged in nowhere else.',
  leftOne: 'Logged out in one other browser.',
  leftSome: (count: string) => `Logged out in ${count} other browsers.`,
};

const es: typeof en = {
  change: 'Cambiar la contraseña',
  title: 'Contraseña nueva',
  current: 'Contraseña actual',
  currentMissing: 'Escribe la contraseña que usas ahora.',
  currentWrong: 'Esta no es tu contraseña. Compara mayúsculas y minúsculas.',
  new: 'Contraseña nueva',
  newHelp: (min) =>
    `Al menos ${min} caracteres. Unas cuantas palabras son fáciles de recordar y difíciles de adivinar.`,
  newShort: (min) => `Una contraseña tiene al menos ${min} caracteres.`,
  ends: 'Cierra tus sesiones en todas partes menos aquí. Los teléfonos que emparejaste conservan sus contraseñas.',
  tokens: 'Tus tokens para scripts',
  takeTokens: 'Retirar',
  keepTokens: 'Conservar',
  takeMeans:
    'Los scripts con tus tokens dejan de funcionar. Elígelo si otra persona puede saber tu contraseña.',
  keepMeans: 'Los scripts con tus tokens siguen funcionando.',
  save: 'Guardar',
  saved: 'Tu contraseña ha cambiado. Tus sesiones se cerraron en todas partes menos aquí.',
  everywhere: 'Cerrar todas las sesiones',
  everywhereEnds:
    'Se cierran al momento las sesiones de tu cuenta en todos los demás navegadores. Los teléfonos que emparejaste conservan sus contraseñas.',
  here: 'Este navegador',
  stayHere: 'Sigue abierto',
  leaveHere: 'También se cierra',
  leftNowhere: 'No tenías más sesiones abiertas.',
  leftOne: 'Se cerró la sesión en otro navegador.',
  leftSome: (count) => `Se cerraron las sesiones en otros ${count} navegadores.`,
};

const zh: typeof en = {
  change: '更改密码',
  title: '新密码',
  current: '当前密码',
  currentMissing: '输入你现在使用的密码。',
  currentWrong: '这不是你的密码。检查大小写。',
  new: '新密码',
  newHelp: (min) => `至少 ${min} 个字符。几个词组成的密码容易记住，也难以猜到。`,
  newShort: (min) => `密码至少有 ${min} 个字符。`,
  ends: '除此处外，你在所有地方都会退出登录。已配对的手机保留各自的密码。',
  tokens: '你的脚本令牌',
  takeTokens: '收回',
  keepTokens: '保留',
  takeMeans: '使用你的令牌的脚本会停止工作。如果别人可能知道你的密码，选这一项。',
  keepMeans: '使用你的令牌的脚本继续工作。',
  save: '保存',
  saved: '密码已更改。除此处外，你在所有地方都已退出登录。',
  everywhere: '在所有地方退出登录',
  everywhereEnds: '使用你的账户的其他浏览器会立即退出登录。已配对的手机保留各自的密码。',
  here: '此浏览器',
  stayHere: '保持登录',
  leaveHere: '也退出登录',
  leftNowhere: '你没有在其他地方登录。',
  leftOne: '已在另一个浏览器退出登录。',
  leftSome: (count) => `已在其他 ${count} 个浏览器退出登录。`,
};

export const WORDS: AreaWords<typeof en> = { en, es, zh };
