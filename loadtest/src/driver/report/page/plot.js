// Plots as inline SVG: lines or stacked areas over time, with the phases behind them, and a histogram.
const NS = "http://www.w3.org/2000/svg";

function make(tag, attributes = {}, ...children) {
  const node = tag.startsWith("svg:")
    ? document.createElementNS(NS, tag.slice(4))
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

function short(value) {
  const size = Math.abs(value);
  if (size >= 1e6) return +(value / 1e6).toPrecision(3) + " M";
  if (size >= 1e4) return +(value / 1e3).toPrecision(3) + " k";
  if (size >= 100) return value.toFixed(0);
  return String(+value.toPrecision(size < 1 ? 2 : 3));
}

// Milliseconds as people say them.
function time(millis) {
  return millis >= 1000 ? `${short(millis / 1000)} s` : `${short(millis)} ms`;
}

function niceTicks(top, count) {
  const rough = top / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((it) => it * power >= rough) * power;
  const ticks = [];
  for (let at = 0; at <= top + step * 0.01; at += step) ticks.push(at);
  return ticks;
}

function linear(top) {
  const ticks = niceTicks(top || 1, 4);
  const end = Math.max(ticks.at(-1), top * 1.04 || 1);
  return { ticks, at: (value) => value / end };
}

function logarithmic(low, high) {
  const from = Math.floor(Math.log10(low));
  const to = Math.max(Math.ceil(Math.log10(high)), from + 1);
  const ticks = [];
  for (let power = from; power <= to; power++) ticks.push(10 ** power);
  const at = (value) => (Math.log10(Math.max(value, 10 ** from)) - from) / (to - from);
  return { ticks, at };
}

// The frame of every plot: its card with title and legend, and a place that is drawn to fit.
function card(title, unit, series, wide, draw) {
  const legend = make("div", { class: "legend" });
  for (const { name, color } of series)
    legend.append(make("span", {}, make("i", { style: `background:${color}` }), name));
  const place = make("div");
  const heading = make("h3", {}, title + " ");
  heading.append(make("span", { style: "color:var(--dim);font-weight:400" }, unit));
  const node = make("section", { class: wide ? "card wide" : "card" }, heading, legend, place);
  let drawn = 0;
  const redraw = () => {
    if (place.clientWidth === drawn) return;
    drawn = place.clientWidth;
    if (drawn > 0) place.replaceChildren(draw(drawn, node));
  };
  // In a frame of its own: drawing changes the size that is observed.
  new ResizeObserver(() => requestAnimationFrame(redraw)).observe(place);
  return node;
}

function frame(width, height, box, y, label) {
  const svg = make("svg:svg", { viewBox: `0 0 ${width} ${height}`, height, role: "img", "aria-label": label });
  for (const tick of y.ticks) {
    const at = box.top + box.height * (1 - y.at(tick));
    if (at < box.top - 1) continue;
    svg.append(make("svg:line", { x1: box.left, x2: box.left + box.width, y1: at, y2: at, stroke: "var(--grid)" }));
    svg.append(make("svg:text", { x: box.left - 8, y: at + 4, "text-anchor": "end" }, short(tick)));
  }
  return svg;
}

// Cuts a line where nothing was watched or seen for a while, so that it bridges no gap.
function pieces(samples, isKnown) {
  const gaps = samples.slice(1).map((it, at) => it.at - samples[at].at).sort((a, b) => a - b);
  const longest = 4 * (gaps[gaps.length >> 1] || 1);
  const cut = [];
  let last = -Infinity;
  samples.forEach((sample, at) => {
    if (!isKnown(at)) return;
    if (sample.at - last > longest) cut.push([]);
    cut.at(-1).push(at);
    last = sample.at;
  });
  return cut;
}

// series: {name, color, values, area}; values may be null. A stack adds them up.
function timePlot(timeline, title, unit, series, { log = false, stack = false, wide = false } = {}) {
  const { samples, phases } = timeline;
  const tops = stack
    ? samples.map((_, at) => series.reduce((sum, it) => sum + (it.values[at] || 0), 0))
    : series.flatMap((it) => it.values.filter((value) => value !== null));
  const known = tops.filter((value) => value > 0);
  const high = Math.max(...known, log ? 0.1 : 0);
  const low = known.length ? Math.min(...known) : 0.01;
  const y = log ? logarithmic(Math.min(low, high / 10), high) : linear(high);
  const start = Math.min(phases[0]?.from ?? 0, samples[0]?.at ?? 0);
  const end = Math.max(samples.at(-1)?.at ?? 1, phases.at(-1)?.to ?? 1);
  const draw = (width, node) => {
    const height = 230;
    const box = { left: 46, top: 20, width: width - 56, height: height - 44 };
    const x = (at) => box.left + (box.width * (at - start)) / (end - start || 1);
    const level = (value) => box.top + box.height * (1 - y.at(value));
    const svg = make("svg:g");
    for (const phase of phases) {
      const [from, to] = [x(phase.from), x(phase.to)];
      const shade = phase.measured ? "transparent" : "var(--band)";
      svg.append(make("svg:rect", { x: from, y: box.top, width: Math.max(to - from, 0), height: box.height, fill: shade }));
      svg.append(make("svg:line", { x1: from, x2: from, y1: box.top, y2: box.top + box.height, stroke: "var(--line)" }));
      if (to - from > 6.4 * phase.name.length + 8)
        svg.append(make("svg:text", { x: from + 5, y: box.top - 6 }, phase.name));
    }
    const base = samples.map(() => 0);
    for (const { color, values, area } of series) {
      const lower = stack ? base.slice() : base;
      const upper = values.map((value, at) => (value === null ? null : value + (stack ? base[at] : 0)));
      if (stack) upper.forEach((value, at) => (base[at] = value ?? base[at]));
      for (const points of pieces(samples, (at) => upper[at] !== null && !(log && upper[at] <= 0))) {
        const line = points.map((at) => `${x(samples[at].at).toFixed(1)},${level(upper[at]).toFixed(1)}`);
        if (stack || area) {
          const back = points.slice().reverse().map((at) => `${x(samples[at].at).toFixed(1)},${level(lower[at]).toFixed(1)}`);
          svg.append(make("svg:path", { d: `M${line.join("L")}L${back.join("L")}Z`, fill: color, "fill-opacity": stack ? 0.55 : 0.14 }));
        }
        const cap = line.length === 1 ? "h.1" : "";
        svg.append(make("svg:path", { d: `M${line.join("L")}${cap}`, fill: "none", stroke: color, "stroke-width": 1.8, "stroke-linejoin": "round", "stroke-linecap": "round" }));
      }
    }
    const full = frame(width, height, box, y, title);
    full.prepend(svg);
    for (const tick of niceTicks(end - start, Math.max(3, width / 110)))
      if (x(start + tick) <= width)
        full.append(make("svg:text", { x: x(start + tick), y: height - 6, "text-anchor": "middle" }, `${short(tick)} s`));
    hover(full, node, samples, (at) => x(samples[at].at), box, (at) => {
      const rows = series.map(({ name, values }) => `${name}  <b>${values[at] === null ? "–" : short(values[at])}</b>`);
      return [`${samples[at].at.toFixed(1)} s`, ...rows].join("<br>");
    });
    return full;
  };
  return card(title, unit, series, wide, draw);
}

function histogramPlot(bars, marks) {
  const most = Math.max(...bars.map((bar) => bar.count), 1);
  const y = linear(most);
  const draw = (width, node) => {
    const height = 230;
    const box = { left: 46, top: 20, width: width - 56, height: height - 44 };
    const scale = logarithmic(bars[0]?.from || 0.01, bars.at(-1)?.to || 1);
    const x = (value) => box.left + box.width * scale.at(value);
    const svg = frame(width, height, box, y, "Latency");
    for (const bar of bars) {
      const top = box.top + box.height * (1 - y.at(bar.count));
      const [from, to] = [x(bar.from) + 0.5, x(bar.to) - 0.5];
      svg.append(make("svg:rect", { x: from, y: top, width: Math.max(to - from, 0.5), height: box.top + box.height - top, rx: 1.5, fill: "var(--one)" }));
    }
    marks.forEach(([name, value], at) => {
      if (!(value > 0)) return;
      svg.append(make("svg:line", { x1: x(value), x2: x(value), y1: box.top, y2: box.top + box.height, stroke: "var(--two)", "stroke-dasharray": "3 3" }));
      svg.append(make("svg:text", { x: x(value) + 4, y: box.top - 6 + 13 * (at % 2), style: "fill:var(--two)" }, `${name} ${short(value)}`));
    });
    for (const tick of scale.ticks)
      svg.append(make("svg:text", { x: x(tick), y: height - 6, "text-anchor": "middle" }, time(tick)));
    hover(svg, node, bars, (at) => (x(bars[at].from) + x(bars[at].to)) / 2, box, (at) =>
      `${time(bars[at].from)} to ${time(bars[at].to)}<br><b>${bars[at].count.toLocaleString("en")}</b> pushes`);
    return svg;
  };
  return card("Latency", "how many pushes took how long, measured phases", [], false, draw);
}

// A line that follows the pointer, and what stands there.
function hover(svg, node, points, x, box, text) {
  const line = make("svg:line", { y1: box.top, y2: box.top + box.height, stroke: "var(--dim)", visibility: "hidden" });
  svg.append(line);
  let tip = null;
  const leave = () => {
    tip?.remove();
    tip = null;
    line.setAttribute("visibility", "hidden");
  };
  svg.addEventListener("pointerleave", leave);
  svg.addEventListener("pointermove", (event) => {
    const area = svg.getBoundingClientRect();
    const pointer = event.clientX - area.left;
    let best = 0;
    for (let at = 1; at < points.length; at++)
      if (Math.abs(x(at) - pointer) < Math.abs(x(best) - pointer)) best = at;
    if (!points.length) return;
    line.setAttribute("x1", x(best));
    line.setAttribute("x2", x(best));
    line.setAttribute("visibility", "visible");
    if (!tip) node.append((tip = make("div", { class: "tip" })));
    tip.innerHTML = text(best);
    const outer = node.getBoundingClientRect();
    const left = area.left - outer.left + x(best);
    const flip = left + tip.offsetWidth + 24 > outer.width;
    tip.style.left = `${flip ? left - tip.offsetWidth - 12 : left + 12}px`;
    tip.style.top = `${area.top - outer.top + box.top + 8}px`;
  });
}
