// One user, one lambda: the three spaces, the loss terms, the best items; everything measured, nothing interpolated.

const user = choice("user", "user", DATA.users.map((u, i) => [String(u.id), u.label]), String(DATA.users[DATA.start.user].id));
const lam = slider("lam", "λ", DATA.lams, DATA.start.lam);
presets([["no matching", {lam: DATA.strategy === "mddm" ? 1 : 0}], ...(DATA.strategy === "mddm" ? [["no prior", {lam: 0}]] : [])]);

const plane = view("the spaces, in two principal axes");
const best = view("");
const side = view("");
const about = view("");
const SPACES = {
  fused: ["fused posterior", {colour: COLOUR("matched"), dash: "dashdot", symbol: "diamond"}],
  language: ["language p", {colour: COLOUR("language"), dash: "dash", symbol: "square"}],
  collaborative: ["collaborative q", {colour: COLOUR("collaborative"), dash: "solid", symbol: "circle"}],
};
const TERMS = [["reconstruction", COLOUR("ink")], ["prior", COLOUR("neutral")], ["matching", COLOUR("matched")]];

// The outline of a Gaussian: mean [x, y] and covariance [xx, xy, yy].
function ellipse([x, y], [a, b, d]) {
  const l = Math.sqrt(Math.max(a, 1e-12)), m = b / l, n = Math.sqrt(Math.max(d - m * m, 0));   // Cholesky
  return steps(0, 2 * Math.PI, Math.PI / 30).map(t => [x + l * Math.cos(t), y + m * Math.cos(t) + n * Math.sin(t)]);
}

begin(() => {
  const u = user.index(), i = lam.index(), run = DATA.runs[i], person = DATA.users[u];
  const chart = new Chart(plane, {x: [-run.reach, run.reach], y: [-run.reach, run.reach], height: 420, equal: true,
    xlabel: `principal axes (${Math.round(100 * run.share)} % of the length in this plane)`,
    label: "means of many users in the three spaces, and one user's distributions"});
  chart.line(steps(0, 2 * Math.PI, Math.PI / 30).map(t => [Math.cos(t), Math.sin(t)]), {colour: COLOUR("neutral"), dash: "dot", width: 1.5});
  for (const [space, [, look]] of Object.entries(SPACES)) chart.dots(run.crowd[space], {...look, size: 2, opacity: 0.35});
  for (const [space, [, look]] of Object.entries(SPACES)) {
    const [mean, covariance] = [run.mean[space][u], run.covariance[space][u]];
    chart.line(ellipse(mean, covariance), {...look, width: 2.5, name: space});
    chart.dots([mean], {...look, size: 6, name: space + " mean"});
  }
  key(plane, [...Object.values(SPACES), ["prior N(0, I), 1σ", {colour: COLOUR("neutral"), dash: "dot"}]]);

  const terms = TERMS.map(([name, colour], t) => [name, run.terms[u][t], colour]);
  const top = Math.max(...DATA.runs.map(other => Math.max(...other.terms[u])));
  side.querySelector("figcaption").textContent = `loss terms of ${person.label}, nats`;
  bars(side, terms, {label: terms.map(([name, value]) => `${name} ${value.toFixed(2)}`).join(", "), top});
  const curve = DATA.curve, values = curve.filter(v => v !== null);
  if (values.length) {
    side.querySelector("div.curve")?.remove();
    const holder = element("div", {className: "curve"});
    side.append(holder);
    const all = [...values, ...(DATA.base === null ? [] : [DATA.base])], margin = 0.1 * (Math.max(...all) - Math.min(...all)) || 0.01;
    const small = new Chart(holder, {x: [-0.03, 1.03], y: [Math.min(...all) - margin, Math.max(...all) + margin], height: 210, xlabel: "λ",
      ylabel: "Recall@20", label: "mean Recall@20 of all users over lambda"});
    if (DATA.base !== null) small.line([[-0.03, DATA.base], [1.03, DATA.base]], {colour: COLOUR("collaborative"), dash: "dot"});
    small.line(DATA.lams.map((x, k) => [x, curve[k]]), {colour: COLOUR("matched")});
    small.dots([[DATA.lams[i], curve[i]]], {colour: COLOUR("ink"), size: 6, hollow: true, name: "here"});
  }

  const before = DATA.before ? DATA.before[u] : null;
  const rows = run.top[u].map((item, rank) => {
    const was = before ? before.indexOf(item) : -1, hit = person.test.includes(item);
    const step = was - rank, change = was < 0 ? "new" : step === 0 ? "=" : step > 0 ? `▲${step}` : `▼${-step}`;
    return element("tr", {className: hit ? "hit" : ""}, element("td", {}, String(rank + 1)), element("td", {}, DATA.titles[item] ?? `item ${item}`),
      element("td", {}, hit ? "✓ test item" : ""), ...(before ? [element("td", {}, change)] : []));
  });
  const found = run.top[u].filter(item => person.test.includes(item)).length;
  const head = ["#", "item", "held out?", ...(before ? ["against the base"] : [])].map(text => element("th", {scope: "col"}, text));
  best.querySelectorAll("table, p").forEach(node => node.remove());
  best.append(element("table", {id: "top"}, element("caption", {}, `Top ${rows.length}: ${found} of ${person.test.length} test items found`),
    element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...rows)));
  const places = person.test.map((item, k) => [run.ranks[u][k], DATA.titles[item], DATA.ranksBefore?.[u][k]]).sort((a, b) => a[0] - b[0]);
  best.append(element("p", {id: "ranks", className: "profile"}, "Where the test items rank: " + places.slice(0, 5).map(([rank, title, was]) =>
    `${title} ${rank}${was ? ` (base model: ${was})` : ""}`).join("; ") + (places.length > 5 ? `; … and ${places.length - 5} more` : "")));

  about.querySelectorAll(":scope > :not(figcaption)").forEach(node => node.remove());
  about.append(element("h2", {}, `History of ${person.label}`), element("p", {className: "profile"}, person.history.join("; ")),
    element("h2", {}, "Profile text"), element("p", {className: "profile"}, person.profile || "(no text)"));
  say(`${person.label}, ${DATA.label} at λ = ${DATA.lams[i].toFixed(2)}: ${found} of ${person.test.length} test items in the top ${rows.length}`);
});
