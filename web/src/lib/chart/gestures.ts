/**
 * Hands on a chart. One finger moves its time sideways, and leaves up and down to the page; one that rests first moves the
 * crosshair. Two fingers stretch and move the time, and two taps go back. A wheel with the control key (which is what a pinch
 * on a touch pad sends) zooms as well, and one that goes sideways moves.
 */

export interface Gestures {
  /** Zoom by a factor (above 1 shows more) around a share of the width, and move by a share of the width. */
  onZoom: (factor: number, around: number, shift: number) => void;
  /** One finger points at this share of the width; nothing: at none any more. */
  onFinger: (share: number | null) => void;
  /** Two taps, one after the other at one place. */
  onReset: () => void;
  /** A wheel turned that scrolls the page, and perhaps was meant to zoom. */
  onPlainWheel: () => void;
}

/** How much one notch of a wheel zooms. */
const WHEEL_FACTOR = 1.25;

/** Two fingers closer than this, in pixels, are not told apart well. */
const LEAST_SPREAD = 24;

/** A finger that moved less than this, in pixels, rests. */
const REST_PX = 8;

/** After so long a finger that rests points at a moment. */
const HOLD_MS = 350;

/** Two taps that are further apart than this, in time or in pixels, are two of one. */
const TAPS_MS = 350;
const TAPS_PX = 32;

interface Place {
  x: number;
  y: number;
}

const distance = (a: Place, b: Place) => Math.hypot(a.x - b.x, a.y - b.y);

/** What a finger does once it is clear: nothing yet, the time follows it, or the crosshair does. */
type Doing = 'resting' | 'moving' | 'pointing';

export function watchGestures(element: HTMLElement, gestures: Gestures): () => void {
  const fingers = new Map<number, number>();
  let doing: Doing = 'resting';
  let isResting = false;
  let start: Place & { at: number } = { x: 0, y: 0, at: 0 };
  let tapped: (Place & { at: number }) | null = null;
  let hold: ReturnType<typeof setTimeout> | undefined;
  const shareOf = (x: number) => {
    const box = element.getBoundingClientRect();
    return box.width === 0 ? 0.5 : Math.min(Math.max((x - box.left) / box.width, 0), 1);
  };
  const begin = (what: Doing) => {
    clearTimeout(hold);
    doing = what;
  };

  const down = (event: PointerEvent) => {
    if (event.pointerType === 'mouse') return;
    fingers.set(event.pointerId, event.clientX);
    if (fingers.size > 1) {
      // Two fingers are no tap, and neither is what is left of them.
      tapped = null;
      isResting = false;
      begin('moving');
      return;
    }
    start = { x: event.clientX, y: event.clientY, at: event.timeStamp };
    begin('resting');
    isResting = true;
    hold = setTimeout(() => {
      begin('pointing');
      gestures.onFinger(shareOf(start.x));
    }, HOLD_MS);
  };
  const move = (event: PointerEvent) => {
    const was = fingers.get(event.pointerId);
    if (was === undefined) return;
    const before = [...fingers.values()];
    const here = { x: event.clientX, y: event.clientY };
    if (fingers.size === 1 && isResting) {
      const [aside, along] = [Math.abs(here.x - start.x), Math.abs(here.y - start.y)];
      // What goes up or down is on its way to scroll the page, and is none of ours.
      if (aside < REST_PX || aside < along) return;
      isResting = false;
      // By the clock of the screen: a page that was busy saw the finger rest longer than it did.
      begin(event.timeStamp - start.at < HOLD_MS ? 'moving' : 'pointing');
      if (doing === 'moving') gestures.onFinger(null);
    }
    fingers.set(event.pointerId, here.x);
    const after = [...fingers.values()];
    const width = element.clientWidth || 1;
    const [a, b] = before;
    const [c, d] = after;
    if (a === undefined || b === undefined || c === undefined || d === undefined) {
      if (doing === 'pointing') gestures.onFinger(shareOf(here.x));
      else gestures.onZoom(1, 0.5, (was - here.x) / width);
      return;
    }
    const [spread, wider] = [Math.abs(a - b), Math.abs(c - d)];
    if (spread < LEAST_SPREAD || wider < LEAST_SPREAD) return;
    gestures.onZoom(spread / wider, shareOf((c + d) / 2), ((a + b) / 2 - (c + d) / 2) / width);
  };
  const up = (event: PointerEvent) => {
    if (!fingers.delete(event.pointerId)) return;
    clearTimeout(hold);
    if (doing !== 'resting' || distance({ x: event.clientX, y: event.clientY }, start) >= REST_PX) return;
    const tap = { x: event.clientX, y: event.clientY, at: event.timeStamp };
    if (tapped && tap.at - tapped.at < TAPS_MS && distance(tap, tapped) < TAPS_PX) {
      tapped = null;
      gestures.onReset();
    } else {
      tapped = tap;
      gestures.onFinger(shareOf(tap.x));
    }
  };
  // The page scrolls with this finger.
  const cancel = (event: PointerEvent) => {
    fingers.delete(event.pointerId);
    clearTimeout(hold);
    tapped = null;
  };
  const wheel = (event: WheelEvent) => {
    const sideways = event.shiftKey ? event.deltaX || event.deltaY : event.deltaX;
    if (!event.ctrlKey) {
      // What scrolls the page up and down is left to it.
      if (Math.abs(sideways) <= Math.abs(event.shiftKey ? 0 : event.deltaY)) {
        if (event.deltaY !== 0) gestures.onPlainWheel();
        return;
      }
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
  element.addEventListener('pointercancel', cancel);
  element.addEventListener('wheel', wheel, { passive: false });
  return () => {
    clearTimeout(hold);
    element.removeEventListener('pointerdown', down);
    element.removeEventListener('pointermove', move);
    element.removeEventListener('pointerup', up);
    element.removeEventListener('pointercancel', cancel);
    element.removeEventListener('wheel', wheel);
  };
}
