// The reader's own clicks: a frozen model reads them, and q, p, the fused posterior and ten items follow.

// ---- what was clicked: rows of the catalogue, in the address as items=12.55.201

const HITS = 6, CHIPS = 24;
const rowOf = new Map(DATA.items.map((id, row) => [String(id), row]));
const rowsOf = ids => new Set(ids.map(id => rowOf.get(String(id))).filter(row => row !== undefined));
let picked = rowsOf(DATA.start.items);
const clicked = () => [...picked].sort((a, b) => a - b);

const search = element("input", {type: "search", id: "find", autocomplete: "off", placeholder: "part of a title"});
const found = element("p", {className: "note"});
const hits = element("div", {className: "hits", id: "hits"});
const chips = element("div", {className: "chips", id: "picked"});
const counted = element("b", {});

function showHits() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const there = DATA.order.filter(row => words.every(word => DATA.titles[row].toLowerCase().includes(word)));
  found.textContent = there.length ? `${Math.min(HITS, there.length)} of ${there.length} items, the most clicked first${there.length > HITS ? "; type to find others" : ""}` : "no title has these words";
  hits.replaceChildren(...there.slice(0, HITS).map(row => {
    const box = element("input", {type: "checkbox", checked: picked.has(row)});
    box.dataset.row = row;
    box.addEventListener("change", () => { if (box.checked) picked.add(row); else picked.delete(row); showPicked(); moved(); });
    return element("label", {}, box, " " + DATA.titles[row]);
  }));
}

function showPicked() {
  counted.textContent = `You clicked ${picked.size} of ${DATA.items.length}: `;
  const rows = clicked();
  chips.replaceChildren(counted, ...rows.slice(0, CHIPS).map((row, place) => {
    const chip = element("button", {type: "button", ariaLabel: `take back ${DATA.titles[row]}`}, DATA.titles[row] + " ✕");
    chip.addEventListener("click", () => {
      picked.delete(row); showPicked(); moved();
      (chips.querySelectorAll("button")[place] ?? search).focus();   // the keyboard goes on where it was
    });
    return chip;
  }), ...(rows.length > CHIPS ? [`… and ${rows.length - CHIPS} more`] : []));
  for (const box of hits.querySelectorAll("input")) box.checked = picked.has(Number(box.dataset.row));
}

search.addEventListener("input", () => { showHits(); moved(); });
place(element("div", {className: "picker"},
  element("label", {htmlFor: "find"}, element("b", {}, "Find items ")), search, found, hits, chips));
controls.items = {
  text: () => picked.size === DATA.items.length ? "all" : clicked().map(row => DATA.items[row]).join("."),
  set: text => { picked = text === "all" ? new Set(DATA.items.keys()) : rowsOf(text.split(".")); showPicked(); },
};
controls.find = {text: () => search.value, set: text => { search.value = text; showHits(); }};

// ---- the other controls

const first = DATA.people[0];
presets([
  [`user ${first.id}'s clicks and text`, {items: first.items.join("."), text: String(first.id)}],
  ["click nothing", {items: ""}],
  ["click everything", {items: "all"}],
]);
const own = choice("text", "text about you", [["none", "none"], ...DATA.people.map(({id}) => [String(id), `that of user ${id}`])], "none");
const against = choice("against", "compare with λ =", DATA.lams.map(value => [String(value), value.toFixed(2)]), String(DATA.start.against));
presets([
  ["no matching", {lam: DATA.unmatched}],
  ...(DATA.noPrior === null ? [] : [["no prior", {lam: DATA.noPrior}]]),
]);
const last = DATA.lams.length - 1;
const grid = [...new Set([...DATA.lams, ...steps(DATA.lams[0], DATA.lams[last], (DATA.lams[last] - DATA.lams[0]) / 20)])].sort((a, b) => a - b);
const lam = slider("lam", "λ", grid, DATA.start.lam);   // the last: what it changes stands below it

const best = view("");
const plane = view("");
const table = (about, head, rows) => element("div", {className: "scroll"}, element("table", about,
  element("thead", {}, element("tr", {}, ...head.map(text => element("th", {scope: "col"}, text)))), element("tbody", {}, ...rows)));
const row = (cells, name = "") => element("tr", {className: name}, ...cells.map(text => element("td", {}, text)));
const SPACES = {
  collaborative: ["q: your clicks", {colour: COLOUR("collaborative"), dash: "solid", symbol: "circle"}],
  language: ["p: texts", {colour: COLOUR("language"), dash: "dash", symbol: "square"}],
  fused: ["fused: q and p together", {colour: COLOUR("matched"), dash: "dashdot", symbol: "diamond"}],
};
const circle = (mean, std) => steps(0, 2 * Math.PI, Math.PI / 30).map(t => [mean[0] + std[0] * Math.cos(t), mean[1] + std[1] * Math.sin(t)]);
const PRIOR = circle([0, 0], [1, 1]);

const nets = [];
const answerAt = index => frozen.answer(nets[index] ??= unpacked(DATA.runs[index].weights), clicked(), own.index() ? own.index() - 1 : null, DATA.variant);

// The two trained lambdas around a value, and the share of the upper one; one and the same where it was trained.
function neighbours(value) {
  const upper = DATA.lams.findIndex(known => known > value - 1e-9);
  const lower = Math.abs(DATA.lams[upper] - value) < 1e-9 ? upper : upper - 1;
  return [lower, upper, lower === upper ? 0 : (value - DATA.lams[lower]) / (DATA.lams[upper] - DATA.lams[lower])];
}

function drawSpaces(answer, index) {
  const {dimensions, crowd} = DATA.runs[index], [a, b] = dimensions.map(({number}) => number);
  const seen = Object.keys(SPACES).map(name => {
    const {mean, logvar} = answer[name];
    return [name, [mean[a], mean[b]], [Math.exp(logvar[a] / 2), Math.exp(logvar[b] / 2)], Math.hypot(...mean), logvar.reduce((sum, v) => sum + Math.exp(v / 2), 0) / logvar.length];
  });
  const outlines = seen.map(([, mean, std]) => circle(mean, std));
  const far = crowd.flat().map(Math.abs).sort((x, y) => x - y);
  const reach = 1.05 * Math.max(far[Math.floor(0.97 * far.length)], ...[...PRIOR, ...outlines.flat()].flat().map(Math.abs));
  plane.querySelector("figcaption").textContent = `Your q, p and fused posterior, trained with λ = ${DATA.lams[index].toFixed(2)}`;
  const chart = new Chart(plane, {x: [-reach, reach], y: [-reach, reach], height: 380, equal: true,
    xlabel: `latent dimension ${a}`, ylabel: `latent dimension ${b}`, label: "your three distributions in two latent dimensions; the table below it holds numbers"});
  chart.line(PRIOR, {colour: COLOUR("neutral"), dash: "dot", width: 1.5, name: "prior"});
  chart.dots(crowd, {...SPACES.fused[1], size: 2, opacity: 0.35});
  seen.forEach(([name, mean], i) => {
    const look = SPACES[name][1];
    chart.line(outlines[i], {...look, width: 2.5, name});
    chart.dots([mean], {...look, size: 6, name: name + " mean"});
  });
  key(plane, [...Object.values(SPACES), ["prior N(0, I)", {colour: COLOUR("neutral"), dash: "dot"}]]);
  plane.querySelectorAll(":scope > .scroll, :scope > p").forEach(node => node.remove());
  const share = dimensions.reduce((sum, {share: part}) => sum + part, 0);
  plane.append(
    element("p", {className: "note"}, `Markers are means, outlines one σ, faint diamonds other users' fused means. A taste has ${answer.fused.mean.length} dimensions; in these two the users of the data differ most (${Math.round(100 * share)} % of all variance of fused means). What is close here may be far apart in the others.`),
    table({id: "numbers"}, ["in all dimensions", "length of μ", "mean σ"], seen.map(([name, , , length, std]) => row([SPACES[name][0], length.toFixed(2), std.toFixed(2)]))),
    table({id: "dimensions"}, ["dimension", "a larger value helps", "a smaller value helps"],
      dimensions.map(({number, up, down}) => row([String(number), up.join("; "), down.join("; ")]))));
}

const counts = (n, what) => n === 1 ? `one ${what}` : `${n} ${what}s`;

function summary(ten, moves, fresh, where, exact) {
  const here = `${DATA.label} at λ = ${where.toFixed(2)}${exact ? "" : ", an approximation"}.`;
  if (!ten.length) return `You clicked everything, so nothing is left to recommend: take some clicks back. ${here}`;
  const said = [`${picked.size ? counts(picked.size, "click") : "No clicks yet"}, ${here}`];
  if (!picked.size) said.push(own.index() ? "The ten come from the text about you alone." : "The ten are the same for everyone of whom nothing is known: click an item.");
  if (ten.length < 10) said.push(`Only ${counts(ten.length, "item")} left to recommend.`);
  const other = Number(against.get()), risen = moves.filter(step => step > 0).length;
  said.push(exact && other === where ? "This is the λ you compare with, so nothing moved: move λ."
    : `Against λ = ${other.toFixed(2)}, ${risen} of the ${ten.length} moved up, ${fresh} of them from below place 10.`);
  return said.join(" ");
}

showHits();
showPicked();
begin(() => {
  const where = lam.get(), [lower, upper, share] = neighbours(where), exact = share === 0;
  const answer = answerAt(lower), above = exact ? answer : answerAt(upper);
  const scores = answer.scores.map((score, k) => (1 - share) * score + share * above.scores[k]);
  const ten = frozen.ranking(scores, picked).slice(0, 10);
  const before = frozen.ranking(answerAt(against.index()).scores, picked);
  const moves = ten.map((item, place) => before.indexOf(item) - place);
  const word = exact ? "" : ", an approximation";
  best.querySelectorAll(":scope > :not(figcaption)").forEach(node => node.remove());
  best.querySelector("figcaption").textContent = `Ten items for you at λ = ${where.toFixed(2)}${word}`;
  if (ten.length) best.append(table({id: "top"}, ["#", "item", "score", `place at λ = ${Number(against.get()).toFixed(2)}`], ten.map((item, place) => {
    const step = moves[place];
    return row([String(place + 1), DATA.titles[item], scores[item].toFixed(2).replace("-", "−"),
      `${before.indexOf(item) + 1} ` + (step > 0 ? `▲ up ${step}` : step < 0 ? `▼ down ${-step}` : "=")], step > 0 ? "hit" : "");
  })));
  if (!exact) {
    best.append(element("p", {className: "note", id: "approximation"},
      `Nothing was trained with λ = ${where.toFixed(2)}. This is an approximation: ${Math.round(100 * (1 - share))} % of the scores at λ = ${DATA.lams[lower].toFixed(2)} `
      + `and ${Math.round(100 * share)} % of those at ${DATA.lams[upper].toFixed(2)}. Two models have two latent spaces, so the picture shows the nearer model.`));
  }
  const text = own.index() ? DATA.people[own.index() - 1].text : "";
  if (text) best.append(element("h2", {}, `The text about you: that of user ${own.get()}`), element("p", {className: "profile"}, text));
  drawSpaces(share > 0.5 ? above : answer, share > 0.5 ? upper : lower);
  say(summary(ten, moves, ten.filter(item => before.indexOf(item) >= 10).length, where, exact));
});
