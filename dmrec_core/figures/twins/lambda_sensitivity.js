// Figure 6: a metric over lambda for each strategy, and where you are on it.

const lam = slider("lam", "λ", DATA.lams, DATA.start.lam);
const strategy = choice("strategy", "strategy", DATA.strategies.map(s => [s.key, s.label]), DATA.start.strategy);
const metric = choice("metric", "metric", DATA.metrics.map(m => [m.key, m.label]), DATA.metrics[0].key);
const ran = (key, at) => DATA.strategies.some(s => s.key === key) && DATA.lams.includes(at);
presets([
  ["no matching", () => ({lam: strategy.get() === "mddm" ? 1 : 0})],
  ...(ran("mddm", 0) ? [["no prior", {strategy: "mddm", lam: 0}]] : []),
]);
const main = view(`${DATA.split} metric against λ: mean over seeds, band: 95 % interval`, {wide: true});
const LINES = {
  godm: {colour: COLOUR("matched"), dash: "dash", symbol: "triangle"},
  cpdm: {colour: COLOUR("matched"), dash: "dashdot", symbol: "square"},
  mddm: {colour: COLOUR("matched"), dash: "solid", symbol: "diamond"},
};
const line = key => LINES[key] || {colour: COLOUR("alarm"), dash: "dot", symbol: "circle"};

function words(cell, digits = 4) {
  if (!cell) return "not run";
  return cell.mean.toFixed(digits) + (cell.low === null ? " (one seed)" : ` ± ${((cell.high - cell.low) / 2).toFixed(digits)}`);
}

begin(() => {
  const m = metric.index(), s = strategy.index(), i = lam.index();
  const mine = DATA.strategies[s], cells = DATA.cells[m];   // cells[strategy][lambda] -> {mean, low, high} or null
  const base = DATA.base ? DATA.base[m] : null;
  const known = cells.flat().concat(base ? [base] : []).filter(Boolean);
  const all = known.flatMap(cell => [cell.mean, cell.low ?? cell.mean, cell.high ?? cell.mean]);
  const margin = 0.06 * (Math.max(...all) - Math.min(...all)) || 0.01;
  const chart = new Chart(main, {x: [-0.03, 1.03], y: [Math.min(...all) - margin, Math.max(...all) + margin], height: 380,
    xlabel: "λ", ylabel: DATA.metrics[m].label, label: `${DATA.metrics[m].label} over lambda; the table below holds the numbers`});
  if (base) {
    if (base.low !== null) chart.area([[-0.03, base.low], [1.03, base.low], [1.03, base.high], [-0.03, base.high]], {colour: COLOUR("collaborative"), opacity: 0.1});
    chart.line([[-0.03, base.mean], [1.03, base.mean]], {colour: COLOUR("collaborative"), dash: "dot", name: "base"});
  }
  const order = [...DATA.strategies.keys()].filter(k => k !== s).concat([s]);
  for (const k of order) {
    const there = DATA.lams.map((x, j) => [x, cells[k][j]]).filter(([, cell]) => cell);
    const strong = k === s, look = line(DATA.strategies[k].key);
    const band = there.filter(([, cell]) => cell.low !== null);
    if (strong) chart.area([...band.map(([x, cell]) => [x, cell.low]), ...band.map(([x, cell]) => [x, cell.high]).reverse()], {colour: look.colour});
    if (strong) for (const [x, cell] of band) chart.line([[x, cell.low], [x, cell.high]], {colour: look.colour, width: 1.3});
    const points = there.map(([x, cell]) => [x, cell.mean]);
    chart.line(points, {...look, width: strong ? 3 : 1.3, opacity: strong ? 1 : 0.6, name: DATA.strategies[k].key});
    chart.dots(points, {...look, size: strong ? 4 : 2.5, opacity: strong ? 1 : 0.6});
  }
  const cell = cells[s][i], x = DATA.lams[i];
  if (cell) {
    chart.line([[x, chart.y[0]], [x, cell.mean]], {colour: COLOUR("ink"), width: 1.2});
    chart.dots([[x, cell.mean]], {colour: COLOUR("ink"), size: 7, hollow: true, name: "here"});
  }
  key(main, [...(base ? [["base model", {colour: COLOUR("collaborative"), dash: "dot"}]] : []),
    ...DATA.strategies.map(({key, label}) => [label, line(key)])]);
  const gap = cell && base ? `; base model ${words(base)}, difference ${sign(cell.mean - base.mean)}` : "";
  say(`${mine.label} at λ = ${x.toFixed(2)}: ${DATA.metrics[m].label} ${words(cell)}${gap}`);
  for (const row of document.querySelectorAll("#numbers tbody tr")) {
    row.classList.toggle("here", row.dataset.lam === String(i) && row.dataset.strategy === mine.key);
  }
});
