/**
 * Two fingers on a chart stretch and move its time; one finger moves the crosshair and leaves scrolling to the page. A
 * wheel with the control key (which is what a pinch on a touch pad sends) zooms as well, and one that goes sideways moves.
 */

export interface Gestures {
  /** Zoom by a factor (above 1 shows more) around a share of the width, and move by a share of the width. */
  onZoom: (factor: number, around: number, shift: number) => void;
  /** One finger is at this share of the width. */
  onFinger: (share: number) => void;
}

/** How much one notch of a wheel zooms. */
const WHEEL_FACTOR = 1.25;

/** Two fingers closer than this, in pixels, are not told apart well. */
const LEAST_SPREAD = 24;

export function watchGestures(element: HTMLElement, gestures: Gestures): () => void {
  const fingers = new Map<number, number>();
  const shareOf = (x: number) => {
    const box = element.getBoundingClientRect();
    return box.width === 0 ? 0.5 : Math.min(Math.max((x - box.left) / box.width, 0), 1);
  };

  const down = (event: PointerEvent) => {
    if (event.pointerType === 'mouse') return;
    fingers.set(event.pointerId, event.clientX);
    if (fingers.size === 1) gestures.onFinger(shareOf(event.clientX));
  };
  const move = (event: PointerEvent) => {
    if (!fingers.has(event.pointerId)) return;
    const before = [...fingers.values()];
    fingers.set(event.pointerId, event.clientX);
    const after = [...fingers.values()];
    const [a, b] = before;
    const [c, d] = after;
    if (a === undefined || b === undefined || c === undefined || d === undefined) {
      gestures.onFinger(shareOf(event.clientX));
      return;
    }
    const [spread, wider] = [Math.abs(a - b), Math.abs(c - d)];
    if (spread < LEAST_SPREAD || wider < LEAST_SPREAD) return;
    const width = element.clientWidth || 1;
    gestures.onZoom(spread / wider, shareOf((c + d) / 2), ((a + b) / 2 - (c + d) / 2) / width);
  };
  const up = (event: PointerEvent) => fingers.delete(event.pointerId);
  const wheel = (event: WheelEvent) => {
    const sideways = event.shiftKey ? event.deltaX || event.deltaY : event.deltaX;
    if (!event.ctrlKey) {
      // What scrolls the page up and down is left to it.
      if (Math.abs(sideways) <= Math.abs(event.shiftKey ? 0 : event.deltaY)) return;
      event.preventDefault();
      gestures.onZoom(1, 0.5, sideways / (element.clientWidth || 1));
      return;
    }
    event.preventDefault();
    gestures.onZoom(event.deltaY > 0 ? WHEEL_FACTOR : 1 / WHEEL_FACTOR, shareOf(event.clientX), 0);
  };

  element.addEventListener('pointerdown', down);
  element.addEventListener('pointermove', move);
  element.addEventListener('pointerup', up);
  element.addEventListener('pointercancel', up);
  element.addEventListener('wheel', wheel, { passive: false });
  return () => {
    element.removeEventListener('pointerdown', down);
    element.removeEventListener('pointermove', move);
    element.removeEventListener('pointerup', up);
    element.removeEventListener('pointercancel', up);
    element.removeEventListener('wheel', wheel);
  };
}
