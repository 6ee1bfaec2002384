/** Numbers, ages and clock times in the reader's language. Pure: the time comes in as an argument. */

import type { Messages } from '../i18n/en';

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** Below this a duration is shown with tenths, so that a pending switch is seen to wait. */
const TENTHS_BELOW_MS = 10 * SECOND_MS;

/** Digits that a number without a stated precision gets at most. */
const MAX_DECIMALS = 6;

/** Bytes, and what comes after a thousand of them (IEC 80000-13: the prefixes are decimal). */
const BYTE_UNITS: Record<string, readonly string[]> = {
  B: ['B', 'kB', 'MB', 'GB', 'TB'],
  'B/s': ['B/s', 'kB/s', 'MB/s', 'GB/s'],
};

// Engineers and households alike read a wall panel faster in 24 hours, unless their locale says otherwise.
const CLOCK = { hour: '2-digit', minute: '2-digit' } as const;
const SHAPES = {
  clock: CLOCK,
  clockSeconds: { ...CLOCK, second: '2-digit' },
  dayMonth: { day: 'numeric', month: 'short' },
  dateClock: { day: 'numeric', month: 'short', ...CLOCK },
  dateYearClock: { day: 'numeric', month: 'short', year: 'numeric', ...CLOCK },
  dateYear: { day: 'numeric', month: 'short', year: 'numeric' },
  whole: { weekday: 'short', day: 'numeric', month: 'short', year: 'numeric', ...CLOCK, second: '2-digit' },
} as const satisfies Record<string, Intl.DateTimeFormatOptions>;
type Shape = keyof typeof SHAPES;

export class Format {
  readonly #numbers = new Map<number, Intl.NumberFormat>();
  readonly #dates = new Map<Shape, Intl.DateTimeFormat>();

  constructor(
    readonly locale: string,
    readonly units: Messages['units'],
  ) {}

  /** A browser takes milliseconds to make a format, an old phone ten times as many: each is made when it is first needed. */
  #date(shape: Shape, at: number | Date): string {
    let format = this.#dates.get(shape);
    if (!format) {
      format = new Intl.DateTimeFormat(this.locale, SHAPES[shape]);
      this.#dates.set(shape, format);
    }
    return format.format(at);
  }

  /** A number with exactly as many digits behind the point as its sensor deserves. */
  number(value: number, decimals: number): string {
    const digits = Math.min(Math.max(Math.trunc(decimals), 0), MAX_DECIMALS);
    let format = this.#numbers.get(digits);
    if (!format) {
      format = new Intl.NumberFormat(this.locale, {
        minimumFractionDigits: digits,
        maximumFractionDigits: digits,
      });
      this.#numbers.set(digits, format);
    }
    // A reading of -0.04 with one digit would read "-0.0".
    const text = format.format(value);
    return Number(value.toFixed(digits)) === 0 ? format.format(0) : text;
  }

  /** A number and its unit; bytes are counted in the size that keeps the number short. */
  scaled(value: number, decimals: number, unit: string): { text: string; unit: string } {
    const steps = BYTE_UNITS[unit];
    if (!steps) return { text: this.number(value, decimals), unit };
    let [size, step] = [value, 0];
    while (Math.abs(size) >= 1_000 && step < steps.length - 1) {
      size /= 1_000;
      step += 1;
    }
    return { text: this.number(size, step === 0 ? decimals : 1), unit: steps[step] ?? unit };
  }

  percent(share: number): string {
    return new Intl.NumberFormat(this.locale, { style: 'percent', maximumFractionDigits: 0 }).format(share);
  }

  /** `12 s`, `12 min`, `3 h 5 min`, `2 d 4 h`. */
  duration(ms: number): string {
    const span = Math.max(ms, 0);
    const { units } = this;
    if (span < MINUTE_MS) return units.second(this.number(Math.floor(span / SECOND_MS), 0));
    if (span < HOUR_MS) return units.minute(this.number(Math.floor(span / MINUTE_MS), 0));
    if (span < DAY_MS) {
      const minutes = Math.floor((span % HOUR_MS) / MINUTE_MS);
      const hours = units.hour(this.number(Math.floor(span / HOUR_MS), 0));
      return minutes === 0 ? hours : `${hours} ${units.minute(this.number(minutes, 0))}`;
    }
    const hours = Math.floor((span % DAY_MS) / HOUR_MS);
    const days = units.day(this.number(Math.floor(span / DAY_MS), 0));
    return hours === 0 ? days : `${days} ${units.hour(this.number(hours, 0))}`;
  }

  /** As {@link duration}, with tenths while it is short: `0.4 s`. */
  shortDuration(ms: number): string {
    if (ms >= TENTHS_BELOW_MS) return this.duration(ms);
    const tenths = Math.floor(Math.max(ms, 0) / 100) / 10;
    return this.units.second(this.number(tenths, 1));
  }

  /** An interval as it was configured: `0.5 s`, `10 s`, `5 min`. */
  interval(ms: number): string {
    if (ms < MINUTE_MS) return this.units.second(this.number(ms / SECOND_MS, ms % SECOND_MS === 0 ? 0 : 1));
    return this.duration(ms);
  }

  /** `3 s ago`, `14 min ago`, then the clock time, then the date. */
  ago(at: number, now: number): string {
    const age = Math.max(now - at, 0);
    if (age < HOUR_MS) return this.units.ago(this.duration(age));
    return this.moment(at, now);
  }

  /** The clock time today, and the date with it on another day. */
  moment(at: number, now: number): string {
    const then = new Date(at);
    const today = new Date(now);
    if (then.toDateString() === today.toDateString()) return this.units.atClock(this.#date('clock', then));
    if (then.getFullYear() === today.getFullYear()) return this.units.onDate(this.#date('dateClock', then));
    return this.units.onDate(this.#date('dateYear', then));
  }

  /** As {@link moment}, without the word before it, for the middle of a sentence. */
  momentPlain(at: number, now: number): string {
    const then = new Date(at);
    return then.toDateString() === new Date(now).toDateString()
      ? this.#date('clock', then)
      : this.#date('dateClock', then);
  }

  clock(at: number): string {
    return this.#date('clock', at);
  }

  clockSeconds(at: number): string {
    return this.#date('clockSeconds', at);
  }

  dayMonth(at: number): string {
    return this.#date('dayMonth', at);
  }

  /** The date with its year. */
  date(at: number): string {
    return this.#date('dateYear', at);
  }

  /** Weekday, date with its year, and time to the second: a moment that may be long ago. */
  whole(at: number): string {
    return this.#date('whole', at);
  }

  dateClock(at: number): string {
    return this.#date('dateClock', at);
  }

  /** As {@link dateClock}, of another year. */
  dateYearClock(at: number): string {
    return this.#date('dateYearClock', at);
  }
}
