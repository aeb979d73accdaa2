// One user's q, p and fused posterior in two dimensions, and where one gradient step takes them, in both variants.

const lam = slider("lam", "λ", DATA.lams, DATA.start.lam);
const pull = choice("pull", "what pulls", DATA.pulls.map(name => [name, name]), DATA.start.pull);
presets([["no matching", {lam: 1, pull: "matching"}], ["no prior", {lam: 0, pull: "matching"}]]);

const LOOKS = {
  collaborative: ["collaborative q", {colour: COLOUR("collaborative"), dash: "solid", symbol: "circle"}],
  language: ["language p", {colour: COLOUR("language"), dash: "dash", symbol: "square"}],
  fused: ["fused posterior", {colour: COLOUR("matched"), dash: "dashdot", symbol: "diamond"}],
};
const TITLES = {published: "as published: the code", paper: "the paper's equations"};
const views = Object.fromEntries(Object.keys(TITLES).map(variant => [variant, view(TITLES[variant])]));
const circle = ([x, y], [a, b]) => steps(0, 2 * Math.PI, Math.PI / 30).map(t => [x + a * Math.cos(t), y + b * Math.sin(t)]);

function arrow(chart, [x, y], [u, v], look, name) {
  chart.line([[x, y], [u, v]], {...look, dash: "solid", width: 3, name});
  const length = Math.hypot(u - x, v - y), head = Math.min(0.04 * DATA.reach, length / 2), angle = Math.atan2(v - y, u - x);
  if (length < 1e-3) return;
  for (const turn of [2.6, -2.6]) chart.line([[u, v], [u + head * Math.cos(angle + turn), v + head * Math.sin(angle + turn)]], {...look, dash: "solid", width: 3});
}

begin(() => {
  const here = DATA.steps[lam.index()][pull.index()], lengths = {};
  for (const [variant, figure] of Object.entries(views)) {
    const chart = new Chart(figure, {x: [-DATA.reach, DATA.reach], y: [-DATA.reach, DATA.reach], height: 380, equal: true,
      xlabel: "first dimension of the taste", ylabel: "second", label: `${TITLES[variant]}: three Gaussians before and after one step`});
    chart.line(circle([0, 0], [1, 1]), {colour: COLOUR("neutral"), dash: "dot", width: 1.5});
    lengths[variant] = {};
    for (const [space, [, look]] of Object.entries(LOOKS)) {
      const [mean, std, after, stdAfter] = here[variant][space];
      chart.line(circle(mean, std), {...look, width: 1.2, opacity: 0.6, name: space});
      chart.line(circle(after, stdAfter), {...look, width: 2.5, name: space + " after"});
      chart.dots([mean], {...look, size: 4, name: space + " mean"});
      arrow(chart, mean, after, look, space + " step");
      lengths[variant][space] = Math.hypot(after[0] - mean[0], after[1] - mean[1]);
    }
    key(figure, [...Object.values(LOOKS), ["prior N(0, I), 1σ", {colour: COLOUR("neutral"), dash: "dot"}]]);
  }
  const told = Object.entries(lengths).map(([variant, by]) => `${TITLES[variant]}: q by ${by.collaborative.toFixed(2)}, p by ${by.language.toFixed(2)}`);
  say(`λ = ${DATA.lams[lam.index()].toFixed(2)}, ${pull.get()}: one step moves the means, ${told.join("; ")}`);
});
