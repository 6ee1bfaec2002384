/** The drawing of a chart: uPlot, dressed in the tokens of the page. Loaded only where a chart is shown. */

import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { Format } from '../format/format';
import { timeLabels, valueLabels, valueRange } from './axis';
import type { Columns } from './series';

export interface PlotOptions {
  /** Steps for on and off, a line for numbers. */
  steps: boolean;
  unit: string;
  decimals: number;
  /** What on and off are called. */
  words: [on: string, off: string];
  format: Format;
  /** The index under the crosshair, or nothing. */
  onCursor: (index: number | null) => void;
}

export interface Plot {
  draw: (columns: Columns, fromS: number, toS: number, nowS: number) => void;
  resize: (width: number, height: number) => void;
  /** Puts the crosshair on this point; nothing takes it away. */
  point: (index: number | null) => void;
  destroy: () => void;
}

/** Room to the right of now, as a share of the range, so that the newest value is not on the edge. */
const AHEAD = 0.015;

const FONT = '12px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';

interface Colours {
  line: string;
  band: string;
  grid: string;
  text: string;
  now: string;
}

function colours(element: Element): Colours {
  const style = getComputedStyle(element);
  const token = (name: string) => style.getPropertyValue(name).trim();
  const line = token('--series-1');
  return { line, band: `${line}33`, grid: token('--line'), text: token('--muted'), now: token('--muted') };
}

/** Points that have a gap on both sides: a line cannot show them, a dot can. */
function lonely(values: ArrayLike<number | null | undefined>): number[] {
  const found: number[] = [];
  for (let index = 0; index < values.length; index += 1) {
    const [before, here, after] = [values[index - 1], values[index], values[index + 1]];
    if (here != null && before == null && after == null) found.push(index);
  }
  return found;
}

export function createPlot(element: HTMLElement, options: PlotOptions): Plot {
  const { steps, unit, decimals, words, format } = options;
  const ink = colours(element);
  let now = 0;
  const stepped = uPlot.paths.stepped?.({ align: 1 });
  const paths = steps && stepped ? { paths: stepped } : {};
  const hidden = { ...paths, width: 0, stroke: 'transparent', points: { show: false } };
  const axis = { stroke: ink.text, font: FONT, ticks: { show: false } };

  const chart = new uPlot(
    {
      width: element.clientWidth,
      height: element.clientHeight,
      legend: { show: false },
      padding: [12, 20, 0, 0],
      cursor: { drag: { x: false, y: false }, y: !steps, points: { size: 9 } },
      scales: {
        x: { time: true },
        y: {
          range: steps
            ? [-0.12, 1.12]
            : (_chart, min: number | null, max: number | null) => valueRange(min, max, decimals),
        },
      },
      axes: [
        {
          ...axis,
          space: 72,
          size: 44,
          grid: { show: false },
          values: (_chart, splits, _axis, _space, step) => timeLabels(splits, step, format),
        },
        {
          ...axis,
          grid: { stroke: ink.grid, width: 1 },
          size: (_chart, labels) => 12 + 7 * Math.max(4, ...(labels ?? []).map((label) => label.length)),
          ...(steps
            ? { splits: [0, 1], values: () => [words[1], words[0]] }
            : {
                space: 44,
                values: (_chart, splits, _axis, _space, step) =>
                  valueLabels(splits, step, decimals, unit, format),
              }),
        },
      ],
      series: [
        {},
        {
          ...paths,
          stroke: ink.line,
          width: 2,
          points: { show: true, size: 5, fill: ink.line, filter: (u, index) => lonely(u.data[index] ?? []) },
        },
        hidden,
        hidden,
      ],
      bands: [{ series: [3, 2], fill: ink.band }],
      hooks: {
        setCursor: [(u) => options.onCursor(u.cursor.idx ?? null)],
        draw: [(u) => drawNow(u, now, ink.now)],
      },
    },
    [[], [], [], []],
    element,
  );

  followTouch(chart);
  return {
    draw(columns, fromS, toS, nowS) {
      now = nowS;
      chart.batch(() => {
        chart.setData(columns, false);
        chart.setScale('x', { min: fromS, max: toS + (toS - fromS) * AHEAD });
      });
    },
    resize: (width, height) => chart.setSize({ width, height }),
    point(index) {
      const at = index === null ? undefined : chart.data[0][index];
      if (index === null || at === undefined) {
        chart.setCursor({ left: -10, top: -10 });
        return;
      }
      const value = chart.data[1]?.[index];
      const top = value == null ? chart.over.clientHeight / 2 : chart.valToPos(value, 'y');
      chart.setCursor({ left: chart.valToPos(at, 'x'), top });
    },
    destroy: () => chart.destroy(),
  };
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

/** A finger that moves along the chart moves the crosshair; up and down it scrolls the page (`touch-action` in the style). */
function followTouch(chart: uPlot) {
  const follow = (event: PointerEvent) => {
    if (event.pointerType === 'mouse') return;
    const box = chart.over.getBoundingClientRect();
    chart.setCursor({ left: event.clientX - box.left, top: event.clientY - box.top });
  };
  chart.over.addEventListener('pointerdown', follow);
  chart.over.addEventListener('pointermove', follow);
}
