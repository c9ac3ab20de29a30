/**
 * Draws the charts of a result's page (html-report.ts): runs in the browser, after uPlot and with the data in #data.
 * Colours come from the style sheet, so that a switch between light and dark only needs a new drawing.
 */
/* global uPlot, document, window, getComputedStyle, matchMedia, ResizeObserver */
(() => {
  const data = JSON.parse(document.getElementById('data').textContent);
  const chartHeight = 300;
  const narrowest = 280;

  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const colourOf = (index) => css(`--series-${index % 6}`);

  const formatRate = (value) => {
    if (value >= 1e6) return `${Number((value / 1e6).toFixed(2))} M`;
    return value >= 1e4 ? `${Number((value / 1e3).toFixed(1))} k` : value.toFixed(0);
  };
  const formatMs = (value) => String(Number(value.toPrecision(3)));
  const formatNines = (nines) => {
    const percent = 100 * (1 - 10 ** -nines);
    return `${nines <= 0 ? 0 : percent.toFixed(Math.max(0, Math.ceil(nines) - 2))} %`;
  };

  const axis = (more) => ({
    stroke: css('--muted'),
    font: `12px ${css('--font')}`,
    grid: { stroke: css('--line'), width: 1 },
    ticks: { stroke: css('--line'), width: 1 },
    ...more,
  });

  const kinds = {
    percentiles: {
      xLabel: 'percentile',
      formatX: formatNines,
      formatY: formatMs,
      unitGap: ' ',
      // A logarithm makes a tail of seconds and a median of a millisecond readable at once.
      yScale: { distr: 3 },
      splits: (from, to) => Array.from({ length: Math.floor(to - from) + 1 }, (_, at) => Math.ceil(from) + at),
    },
    rate: {
      xLabel: 'seconds',
      formatX: (value) => `${value} s`,
      formatY: formatRate,
      unitGap: '',
      yScale: { range: (_, __, highest) => [0, Math.max(highest, 1) * 1.08] },
    },
  };

  const seriesOf = (chart, kind) =>
    chart.series.map((series) => ({
      label: series.label,
      stroke: colourOf(series.colour),
      width: series.repeat ? 1 : 2,
      alpha: series.repeat ? 0.55 : 1,
      spanGaps: true,
      points: { show: false },
      value: (_, value) => (value === null ? '–' : `${kind.formatY(value)}${kind.unitGap}${chart.unit}`),
    }));

  const draw = (chart, box) => {
    const kind = kinds[chart.kind];
    const splits = kind.splits;
    const xAxis = axis({ label: kind.xLabel, labelSize: 22, values: (_, ticks) => ticks.map(kind.formatX) });
    if (splits) xAxis.splits = (_, __, from, to) => splits(from, to);
    const options = {
      width: Math.max(narrowest, box.clientWidth),
      height: chartHeight,
      padding: [8, 28, 0, 0],
      scales: { x: { time: false }, y: kind.yScale },
      series: [{ label: kind.xLabel, value: (_, value) => (value === null ? '–' : kind.formatX(value)) }],
      axes: [
        xAxis,
        axis({
          size: 84,
          values: (_, ticks) =>
            ticks.map((tick) => (tick === null ? '' : `${kind.formatY(tick)}${kind.unitGap}${chart.unit}`)),
        }),
      ],
      legend: { live: true },
    };
    options.series.push(...seriesOf(chart, kind));
    return new uPlot(options, [chart.x, ...chart.series.map((series) => series.values)], box);
  };

  const boxes = data.charts.map((_, at) => document.getElementById(`chart-${at}`));
  let plots = [];
  const drawAll = () => {
    for (const plot of plots) plot.destroy();
    plots = data.charts.map((chart, at) => draw(chart, boxes[at]));
  };
  drawAll();
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', drawAll);
  new ResizeObserver(() => {
    for (const [at, plot] of plots.entries()) {
      plot.setSize({ width: Math.max(narrowest, boxes[at].clientWidth), height: chartHeight });
    }
  }).observe(document.body);
})();
