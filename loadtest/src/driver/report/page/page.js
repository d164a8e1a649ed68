// The report from top to bottom: verdict, figures, truth, plots of each run, tables, advice, method.
const report = JSON.parse(document.getElementById("report").textContent);
const page = document.getElementById("page");

function heading() {
  const { machine } = report;
  const about = `commit ${report.commit} · ${machine.cores} × ${machine.cpu}, ${short(machine.memory_mib / 1024)} GiB, ` +
    `${machine.kernel}, load ${machine.load_before.toFixed(1)} before`;
  const good = report.broken.length === 0;
  const verdict = good ? "Every promise kept" : `${report.broken.length} promise(s) broken`;
  page.append(
    make("h1", {}, report.scenario),
    make("p", { class: "question" }, report.question),
    make("div", { class: "about" }, about),
    make("div", { class: `verdict ${good ? "good" : "bad"}` }, verdict),
  );
  if (!good) page.append(make("ul", { class: "broken" }, ...report.broken.map((it) => make("li", {}, it))));
}

function figures() {
  if (!report.figures.length) return;
  const tile = ({ name, value, note }) =>
    make("div", { class: "tile" },
      make("div", { class: "name" }, name),
      make("div", { class: value.length > 16 ? "value long" : "value" }, value),
      make("div", { class: "note" }, note));
  page.append(make("h2", {}, "Figures"), make("div", { class: "tiles" }, ...report.figures.map(tile)));
}

function truth() {
  const wrong = new Set(["lost", "refused"]);
  const names = {
    sent: "sent", delivered: "delivered", lost: "lost", doubled: "doubled", rejected: "rejected",
    failed: "asked for a repeat", refused: "refused by providers", connections: "connections to providers",
  };
  const rows = Object.entries(names).map(([key, name]) => {
    const value = report.truth[key];
    const mark = wrong.has(key) && value > 0 ? { class: "wrong" } : {};
    return make("div", mark, make("b", {}, value.toLocaleString("en")), make("span", {}, name));
  });
  if (report.truth.badges_sent > 0) {
    const { badges, badges_sent } = report.truth;
    rows.push(make("div", {}, make("b", {}, badges.toLocaleString("en")), make("span", {}, `of ${badges_sent.toLocaleString("en")} badge updates arrived`)));
  }
  page.append(make("h2", {}, "The truth, from the providers"), make("div", { class: "card truth" }, ...rows));
}

// The plots of one run.
function plots(run) {
  const { timeline } = run;
  const { samples, groups } = timeline;
  const of = (figure) => samples.map(figure);
  const over = (...rest) => timePlot(timeline, ...rest);
  const latency = groups.length > 1
    ? groups.map((name, at) => ({ name: `p99, ${name}`, color: ["var(--two)", "var(--one)", "var(--three)"][at % 3], values: of((it) => it.latency[at]?.p99 ?? null) }))
    : [["p50", "--p0"], ["p90", "--p1"], ["p99", "--p2"], ["max", "--p3"]].map(([name, color]) =>
        ({ name, color: `var(${color})`, values: of((it) => it.latency[0]?.[name] ?? null) }));
  const throughput = [{ name: "settled", color: "var(--one)", values: of((it) => it.settled), area: true }];
  if (samples.some((it) => it.failed > 0))
    throughput.push({ name: "asked for a repeat", color: "var(--bad)", values: of((it) => it.failed), area: true });
  const cores = [
    { name: "gateway", color: "var(--one)", values: of((it) => it.gateway_cores) },
    { name: "driver: providers", color: "var(--three)", values: of((it) => it.peer_cores) },
    { name: "driver: clients", color: "var(--two)", values: of((it) => it.client_cores) },
  ];
  const memory = [{ name: "gateway", color: "var(--one)", values: of((it) => it.resident_mib), area: true }];
  const measured = timeline.phases.filter((it) => it.measured).at(-1);
  const marks = measured && groups.length === 1 && timeline.phases.filter((it) => it.measured).length === 1
    ? [["p50", measured.latency[0].p50], ["p99", measured.latency[0].p99]] : [];
  const config = make("details", {}, make("summary", {}, "the gateway's configuration"), make("pre", { class: "card" }, run.config));
  return [
    make("div", { class: "charts" },
      over("Throughput", "notifications a second", throughput, { wide: true }),
      over("Latency over time", "milliseconds", latency, { log: true, wide: true }),
      histogramPlot(timeline.histogram, marks),
      over("Memory", "MiB resident", memory),
      over("CPU", "cores", cores, { stack: true, wide: true })),
    config,
  ];
}

function runs() {
  page.append(make("h2", {}, "Over time"));
  const place = make("div");
  const show = (run) => place.replaceChildren(...plots(run));
  if (report.runs.length > 1) {
    const tabs = make("div", { class: "tabs" });
    report.runs.forEach((run, at) => {
      const tab = make("button", { "aria-pressed": at === 0 }, run.name);
      tab.addEventListener("click", () => {
        for (const other of tabs.children) other.setAttribute("aria-pressed", other === tab);
        show(run);
      });
      tabs.append(tab);
    });
    page.append(tabs);
  }
  page.append(place);
  if (report.runs.length) show(report.runs[0]);
}

function tables() {
  for (const { title, head, rows, best } of report.tables) {
    const most = head.map((_, column) => Math.max(...rows.map((row) => parseFloat(row[column]) || 0)));
    const cell = (text, column) => {
      const share = column === 0 || !(most[column] > 0) ? 0 : (100 * (parseFloat(text) || 0)) / most[column];
      return make("td", { style: `--share:${share.toFixed(0)}%` }, text);
    };
    const body = rows.map((row, at) => make("tr", at === best ? { class: "best" } : {}, ...row.map(cell)));
    const table = make("table", {}, make("tr", {}, ...head.map((it) => make("th", {}, it))), ...body);
    page.append(make("h2", {}, title), make("div", { class: "card scroll" }, table));
  }
}

function advice() {
  if (!report.advice) return;
  page.append(
    make("h2", {}, "Write into the configuration"),
    make("pre", { class: "card" }, report.advice.yaml),
    make("ul", {}, ...report.advice.reasons.map((it) => make("li", {}, it))),
  );
}

function method() {
  page.append(make("h2", {}, "Method"), make("ul", {}, ...report.method.map((it) => make("li", {}, it))));
}

heading();
figures();
truth();
advice();
tables();
runs();
method();
