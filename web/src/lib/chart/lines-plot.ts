/** Several values over one time: a line for each, an axis for each of the first two units. */

import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { timeLabels, valueLabels, valueRange } from './axis';
import type { Columns } from './series';
import type { Format } from '../format/format';

/** One line of the chart. */
export interface Line {
  /** Its times, means (or states), minima and maxima. */
  columns: Columns;
  /** Which of the series colours, from 1. */
  colour: number;
  /** The time before: drawn with dashes and without its band. */
  isBefore: boolean;
  /** On and off: a scale of its own, in steps. */
  steps: boolean;
  unit: string;
  decimals: number;
  /** The seconds at which something was measured, each drawn as a dot; without them only what stands alone is. */
  readings?: ReadonlySet<number>;
}

export interface LinesPlot {
  draw: (fromS: number, toS: number, nowS?: number) => void;
  /** The same lines with other values: more of them, or those of another stretch. */
  update: (lines: readonly Line[]) => void;
  resize: (width: number, height: number) => void;
  /** Puts the crosshair at this share of the width; nothing takes it away. */
  point: (share: number | null) => void;
  destroy: () => void;
}

export interface LinesOptions {
  lines: readonly Line[];
  format: Format;
  /** What on and off are called, on the axis of a chart that has nothing else. */
  words?: readonly [on: string, off: string] | undefined;
  /** The second under the crosshair, or nothing. */
  onCursor: (second: number | null) => void;
  /** A stretch was drawn with the mouse. */
  onStretch: (fromS: number, toS: number) => void;
  /** Where the lines are drawn between the axes: its left edge and its width, in pixels of the page. */
  onArea?: (left: number, width: number) => void;
}

const FONT = '12px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';

/** Steps of the time axis, in seconds: of seconds, minutes, hours, and days up to years. */
const TIME_STEPS = [
  ...[1, 5, 10, 15, 30],
  ...[60, 300, 600, 900, 1_800],
  ...[1, 2, 3, 4, 6, 8, 12].map((hours) => hours * 3_600),
  ...[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 30, 60, 90, 120, 180, 365, 730, 1_825, 3_650].map(
    (days) => days * 86_400,
  ),
];

/** A stretch that was dragged has to be this wide to be meant, in pixels. */
const LEAST_DRAG = 8;

/** On and off of several switches lie in steps above each other; the highest leaves room for the numbers. */
const STATE_SCALE = 'on-off';

const scaleOf = (line: Line) => (line.steps ? STATE_SCALE : `unit ${line.unit}`);

/** The units that get an axis: the first two. */
export function axisUnits(lines: readonly Line[]): string[] {
  const units = lines.filter(({ steps }) => !steps).map(({ unit }) => unit);
  return [...new Set(units)].slice(0, 2);
}

/**
 * Points that have a gap on both sides: a line cannot show them, a dot can. A time that only another line has is
 * undefined here, and neither a point nor a gap.
 */
export function lonely(values: ArrayLike<number | null | undefined>): number[] {
  const found: number[] = [];
  let [candidate, isAfterGap] = [-1, true];
  for (let index = 0; index < values.length; index += 1) {
    const here = values[index];
    if (here === undefined) continue;
    if (here === null) {
      if (candidate !== -1) found.push(candidate);
      [candidate, isAfterGap] = [-1, true];
    } else {
      candidate = isAfterGap ? index : -1;
      isAfterGap = false;
    }
  }
  if (candidate !== -1) found.push(candidate);
  return found;
}

/** The indices of a line that get a dot. */
function dotsOf(
  seconds: ArrayLike<number>,
  values: ArrayLike<number | null | undefined>,
  readings: ReadonlySet<number> | undefined,
): number[] {
  if (!readings) return lonely(values);
  return Array.from(values, (value, index) =>
    value != null && readings.has(seconds[index] ?? 0) ? index : -1,
  ).filter((index) => index !== -1);
}

/** The values of a line for uPlot: a band only for a number of now. */
function tableOf({ columns: [at, mean, min, max], steps, isBefore }: Line): uPlot.AlignedData {
  return steps || isBefore ? [at, mean] : [at, mean, min, max];
}

/** Each line has its own times; what one lacks between two of its points is no gap, its own nulls are. */
function joined(lines: readonly Line[]): uPlot.AlignedData {
  const tables = lines.map(tableOf);
  if (tables.length === 0) return [[]];
  return uPlot.join(
    tables,
    tables.map((table) => table.map(() => 2 as uPlot.JoinNullMode)),
  );
}

/** A thin line at the present. */
function drawNow(chart: uPlot, now: number, colour: string) {
  const { min, max } = chart.scales['x'] ?? {};
  if (min == null || max == null || now < min || now > max) return;
  const x = Math.round(chart.valToPos(now, 'x', true)) + 0.5;
  const { ctx, bbox } = chart;
  ctx.save();
  ctx.strokeStyle = colour;
  ctx.lineWidth = 1;
  ctx.setLineDash([2, 3]);
  ctx.beginPath();
  ctx.moveTo(x, bbox.top);
  ctx.lineTo(x, bbox.top + bbox.height);
  ctx.stroke();
  ctx.restore();
}

export function createLinesPlot(element: HTMLElement, options: LinesOptions): LinesPlot {
  const { lines, format } = options;
  const style = getComputedStyle(element);
  const token = (name: string) => style.getPropertyValue(name).trim();
  const axis = { stroke: token('--muted'), font: FONT, ticks: { show: false } };
  const stepped = uPlot.paths.stepped?.({ align: 1 });

  const series: uPlot.Series[] = [{}];
  const bands: uPlot.Band[] = [];
  let now = Number.POSITIVE_INFINITY;
  const scales: uPlot.Scales = { x: { time: true } };
  let dots = lines.map(({ readings }) => readings);
  for (const [place, line] of lines.entries()) {
    const colour = token(`--series-${line.colour}`);
    const scale = scaleOf(line);
    const paths = line.steps && stepped ? { paths: stepped } : {};
    const drawn: uPlot.Series = {
      ...paths,
      scale,
      stroke: line.isBefore ? `${colour}99` : colour,
      width: line.isBefore ? 1.5 : 2,
      points: line.isBefore
        ? { show: false }
        : {
            show: true,
            size: 5,
            fill: colour,
            filter: (u, index) => dotsOf(u.data[0], u.data[index] ?? [], dots[place]),
          },
    };
    if (line.isBefore) drawn.dash = [6, 4];
    series.push(drawn);
    const bandFrom = series.length;
    const hidden = { ...paths, scale, width: 0, stroke: 'transparent', points: { show: false } };
    if (!line.steps && !line.isBefore) {
      series.push({ ...hidden }, { ...hidden });
      bands.push({ series: [bandFrom + 1, bandFrom], fill: `${colour}2a` });
    }
    scales[scale] = line.steps
      ? { range: [-0.12, 1.12] }
      : {
          range: (_chart, low: number | null, high: number | null) => valueRange(low, high, line.decimals),
        };
  }
  const units = axisUnits(lines);
  const decimalsOf = (unit: string) =>
    Math.max(0, ...lines.filter((line) => line.unit === unit).map(({ decimals }) => decimals));
  const axes: uPlot.Axis[] = [
    {
      ...axis,
      space: 72,
      size: 44,
      // Labels tell seconds and nothing shorter.
      incrs: TIME_STEPS,
      grid: { show: false },
      values: (_chart, splits, _axis, _space, step) => timeLabels(splits, step, format),
    },
    ...(options.words && units.length === 0
      ? [
          {
            ...axis,
            scale: STATE_SCALE,
            side: 3,
            grid: { stroke: token('--line'), width: 1 },
            size: (_chart: uPlot, labels: string[] | null) =>
              12 + 7 * Math.max(4, ...(labels ?? []).map((label) => label.length)),
            splits: [0, 1],
            values: () => [options.words?.[1] ?? '', options.words?.[0] ?? ''],
          } satisfies uPlot.Axis,
        ]
      : []),
    ...units.map((unit, index): uPlot.Axis => ({
      ...axis,
      scale: `unit ${unit}`,
      side: index === 0 ? 3 : 1,
      grid: index === 0 ? { stroke: token('--line'), width: 1 } : { show: false },
      space: 44,
      size: (_chart, labels) => 12 + 7 * Math.max(4, ...(labels ?? []).map((label) => label.length)),
      values: (_chart, splits, _axis, _space, step) =>
        valueLabels(splits, step, decimalsOf(unit), unit, format),
    })),
  ];

  const chart = new uPlot(
    {
      width: element.clientWidth,
      height: element.clientHeight,
      legend: { show: false },
      padding: [12, units.length === 2 ? 0 : 20, 0, units.length === 0 ? 20 : 0],
      cursor: { drag: { x: true, y: false, setScale: false, dist: LEAST_DRAG }, y: false },
      scales,
      axes,
      series,
      bands,
      hooks: {
        draw: [
          (u) => {
            drawNow(u, now, token('--muted'));
            options.onArea?.(u.over.offsetLeft, u.over.clientWidth);
          },
        ],
        setCursor: [
          (u) =>
            options.onCursor(
              u.cursor.left == null || u.cursor.left < 0 ? null : u.posToVal(u.cursor.left, 'x'),
            ),
        ],
        setSelect: [
          (u) => {
            const { left, width } = u.select;
            if (width < LEAST_DRAG) return;
            options.onStretch(u.posToVal(left, 'x'), u.posToVal(left + width, 'x'));
            u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          },
        ],
      },
    },
    joined(lines),
    element,
  );

  return {
    draw(fromS, toS, nowS = Number.POSITIVE_INFINITY) {
      now = nowS;
      chart.setScale('x', { min: fromS, max: toS });
    },
    update(lines) {
      dots = lines.map(({ readings }) => readings);
      chart.setData(joined(lines), false);
    },
    resize: (width, height) => chart.setSize({ width, height }),
    point(share) {
      const width = chart.over.clientWidth;
      chart.setCursor(share === null ? { left: -10, top: -10 } : { left: share * width, top: 10 });
    },
    destroy: () => chart.destroy(),
  };
}
