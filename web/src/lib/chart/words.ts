import type { AreaWords } from '../i18n/language';

const en = {
  earlier: 'Earlier',
  later: 'Later',
  zoomIn: 'Zoom in',
  zoomOut: 'Zoom out',
  keys: 'Left and right arrow keys move the crosshair, with shift they move the time; plus and minus zoom, 0 goes back to the latest. One finger moves the time, two stretch it, two taps go back to the latest; a finger that rests first moves the crosshair. Dragging with the mouse zooms into a stretch.',
  wheel: 'To zoom, hold Ctrl and turn the wheel',
};

const es: typeof en = {
  earlier: 'Antes',
  later: 'Después',
  zoomIn: 'Acercar',
  zoomOut: 'Alejar',
  keys: 'Las flechas izquierda y derecha mueven el cursor; con mayúsculas mueven el tiempo; más y menos amplían y reducen; 0 vuelve a lo último. Un dedo mueve el tiempo, dos lo estiran, dos toques vuelven a lo último; un dedo que antes se detiene mueve el cursor. Arrastrar con el ratón amplía un tramo.',
  wheel: 'Para ampliar, mantén Ctrl y gira la rueda',
};

const zh: typeof en = {
  earlier: '更早',
  later: '更晚',
  zoomIn: '放大',
  zoomOut: '缩小',
  keys: '左右方向键移动十字线，按住 Shift 移动时间；加号和减号缩放，0 回到最新。单指移动时间，双指缩放，双击回到最新；手指先停住再移动则移动十字线。用鼠标拖动可放大一段。',
  wheel: '按住 Ctrl 并滚动滚轮即可缩放',
};

export const WORDS: AreaWords<typeof en> = { en, es, zh };
