// What every twin shares: controls that live in the address, and small SVG charts.

const DATA = JSON.parse(document.getElementById("data").textContent);
const COLOUR = name => `var(--${name})`;
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
const sign = value => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(4);

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name in made && name !== "list" && name !== "form") made[name] = value; else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

function shape(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

// ---- the state: one value a control, mirrored in the address as #lam=0.6&user=3

const controls = {};   // name -> {set(text), get(), text()}
let draw = () => {};

function fromAddress() {
  for (const [name, text] of new URLSearchParams(location.hash.slice(1))) {
    if (controls[name]) controls[name].set(text);
  }
  draw();
}

function moved() {
  const parts = Object.entries(controls).map(([name, control]) => `${name}=${encodeURIComponent(control.text())}`);
  history.replaceState(null, "", "#" + parts.join("&"));
  draw();
}

let holder = document.getElementById("controls");
const place = node => holder.append(node);

// The controls made inside `fill` go behind a fold: open where there is room.
function fold(label, fill) {
  const [outer, folded] = [holder, element("details", {className: "fold", open: innerWidth > 720}, element("summary", {}, label))];
  place(folded);
  holder = element("div", {className: "inside"});
  folded.append(holder);
  fill();
  holder = outer;
}

// A slider over a list of values: its position is an index, its text is the value.
function slider(name, label, values, start, format = value => value.toFixed(2).replace("-", "−")) {
  const nearest = wanted => values.reduce((best, value, i) => Math.abs(value - wanted) < Math.abs(values[best] - wanted) ? i : best, 0);
  const input = element("input", {type: "range", min: 0, max: values.length - 1, step: 1, value: nearest(start), id: name});
  const output = element("output", {htmlFor: name});
  const show = () => {
    output.textContent = format(values[input.valueAsNumber]);
    input.setAttribute("aria-valuetext", `${label} = ${output.textContent}`);
  };
  input.addEventListener("input", () => { show(); moved(); });
  place(element("div", {className: "slider"}, element("label", {className: "name", htmlFor: name}, label), input, output));
  show();
  controls[name] = {
    get: () => values[input.valueAsNumber],
    index: () => input.valueAsNumber,
    text: () => String(values[input.valueAsNumber]),
    set: text => { if (text !== "" && isFinite(Number(text))) { input.value = nearest(Number(text)); show(); } },
  };
  return controls[name];
}

const steps = (low, high, step) => Array.from({length: Math.round((high - low) / step) + 1}, (_, i) => Number((low + i * step).toFixed(6)));

// A choice among [value, label] pairs: radio buttons, or a list where there are many.
function choice(name, label, options, start) {
  const known = value => options.some(([other]) => String(other) === String(value));
  if (options.length > 4) {
    const select = element("select", {id: name}, ...options.map(([value, text]) => element("option", {value}, text)));
    select.value = start;
    select.addEventListener("change", moved);
    place(element("label", {}, element("b", {}, label + " "), select));
    return controls[name] = {get: () => select.value, index: () => select.selectedIndex, text: () => select.value,
      set: value => { if (known(value)) select.value = value; }};
  }
  const radios = options.map(([value]) => element("input", {type: "radio", name, value, checked: value === start}));
  radios.forEach(radio => radio.addEventListener("change", moved));
  place(element("fieldset", {}, element("legend", {}, label),
    ...options.map(([, text], i) => element("label", {}, radios[i], " " + text))));
  const index = () => radios.findIndex(radio => radio.checked);
  return controls[name] = {get: () => radios[index()].value, index, text: () => radios[index()].value,
    set: value => { if (known(value)) radios.forEach(radio => { radio.checked = radio.value === String(value); }); }};
}

function presets(rows) {
  for (const [text, values] of rows) {
    const button = element("button", {type: "button"}, text);
    button.addEventListener("click", () => {
      for (const [name, value] of Object.entries(typeof values === "function" ? values() : values)) controls[name].set(value);
      moved();
    });
    place(button);
  }
}

const say = text => { const status = document.getElementById("status"); if (status.textContent !== text) status.textContent = text; };

// ---- charts

const DASH = {solid: "", dash: "7 5", dashdot: "8 4 2 4", dot: "2 4"};

function view(caption, {wide = false} = {}) {
  const figure = element("figure", {className: wide ? "wide" : ""}, element("figcaption", {}, caption));
  document.getElementById("views").append(figure);
  return figure;
}

function ticks(low, high, about = 5) {
  const rough = (high - low) / about, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map(k => k * power).find(k => k >= 0.8 * rough);
  const digits = clamp(-Math.floor(Math.log10(step) + 1e-9), 0, 6), found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) found.push([k * step, (k * step).toFixed(digits).replace("-", "−")]);
  return found;
}

class Chart {
  // x and y are [low, high] in data units; the width is the parent's, so that text is as large on a phone.
  constructor(parent, {x, y, height = 300, xlabel = "", ylabel = "", label, equal = false}) {
    const width = Math.max(260, parent.clientWidth);
    height = Math.min(height, Math.max(220, 0.95 * width));
    this.edge = {left: 52, right: 12, top: 10, bottom: 38};
    const inner = [width - this.edge.left - this.edge.right, height - this.edge.top - this.edge.bottom];
    if (equal) {   // one unit is as long on both axes
      const unit = Math.min(inner[0] / (x[1] - x[0]), inner[1] / (y[1] - y[0]));
      x = Chart.widened(x, inner[0] / unit); y = Chart.widened(y, inner[1] / unit);
    }
    Object.assign(this, {x, y, width, height, inner});
    this.svg = shape("svg", {viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label});
    parent.querySelector("svg.chart")?.remove();
    this.svg.classList.add("chart");
    const key = parent.querySelector(".key");
    if (key) key.before(this.svg); else parent.append(this.svg);
    this.clip = `clip${Chart.count = (Chart.count || 0) + 1}`;
    const [left, top] = [this.edge.left, this.edge.top];
    this.svg.append(shape("clipPath", {id: this.clip}, shape("rect", {x: left, y: top, width: inner[0], height: inner[1]})));
    for (const [value, text] of ticks(...x)) {
      this.svg.append(shape("line", {x1: this.px(value), x2: this.px(value), y1: top, y2: top + inner[1], stroke: COLOUR("grid")}),
        shape("text", {x: this.px(value), y: height - 22, "text-anchor": "middle"}, text));
    }
    for (const [value, text] of ticks(...y)) {
      this.svg.append(shape("line", {x1: left, x2: left + inner[0], y1: this.py(value), y2: this.py(value), stroke: COLOUR("grid")}),
        shape("text", {x: left - 6, y: this.py(value) + 4, "text-anchor": "end"}, text));
    }
    this.svg.append(shape("text", {x: left + inner[0] / 2, y: height - 4, "text-anchor": "middle"}, xlabel),
      shape("text", {transform: `translate(11 ${top + inner[1] / 2}) rotate(-90)`, "text-anchor": "middle"}, ylabel));
    this.layer = shape("g", {"clip-path": `url(#${this.clip})`});
    this.svg.append(this.layer);
  }
  static widened([low, high], length) { const middle = (low + high) / 2; return [middle - length / 2, middle + length / 2]; }
  px(value) { return this.edge.left + (value - this.x[0]) / (this.x[1] - this.x[0]) * this.inner[0]; }
  py(value) { return this.edge.top + (this.y[1] - value) / (this.y[1] - this.y[0]) * this.inner[1]; }
  path(points) { return points.map(([x, y], i) => `${i ? "L" : "M"}${this.px(x).toFixed(1)} ${this.py(y).toFixed(1)}`).join(""); }
  line(points, {colour, dash = "solid", width = 2, opacity = 1, name = ""}) {
    if (points.length) this.layer.append(shape("path", {d: this.path(points), fill: "none", stroke: colour, "stroke-width": width,
      "stroke-dasharray": DASH[dash], opacity, "data-name": name}));
  }
  area(points, {colour, opacity = 0.16}) {
    if (points.length) this.layer.append(shape("path", {d: this.path(points) + "Z", fill: colour, opacity}));
  }
  dots(points, {colour, symbol = "circle", size = 3, opacity = 1, hollow = false, name = ""}) {
    const paint = hollow ? {fill: COLOUR("paper"), stroke: colour, "stroke-width": 2} : {fill: colour};
    for (const [x, y] of points) {
      const [a, b] = [this.px(x), this.py(y)];
      const more = {...paint, opacity, "data-name": name};
      if (symbol === "square") this.layer.append(shape("rect", {x: a - size, y: b - size, width: 2 * size, height: 2 * size, ...more}));
      else if (symbol === "circle") this.layer.append(shape("circle", {cx: a, cy: b, r: size, ...more}));
      else {
        const r = 1.4 * size, corners = symbol === "diamond" ? [[0, -r], [r, 0], [0, r], [-r, 0]] : [[0, -r], [r, .8 * r], [-r, .8 * r]];
        this.layer.append(shape("path", {d: corners.map(([u, v], i) => `${i ? "L" : "M"}${a + u} ${b + v}`).join("") + "Z", ...more}));
      }
    }
  }
}

function key(figure, entries) {
  figure.querySelector(".key")?.remove();
  figure.append(element("div", {className: "key"}, ...entries.map(([text, {colour, dash = "solid", width = 3}]) => {
    const swatch = shape("svg", {viewBox: "0 0 30 10", "aria-hidden": "true"},
      shape("line", {x1: 0, x2: 30, y1: 5, y2: 5, stroke: colour, "stroke-width": width, "stroke-dasharray": DASH[dash]}));
    return element("span", {}, swatch, text);
  })));
}

// Horizontal bars with their values written beside them: rows of [name, value, colour].
function bars(figure, rows, {label, top, unit = ""}) {
  figure.querySelector("svg.chart")?.remove();
  const height = 34 * rows.length + 8, width = Math.max(260, figure.clientWidth), scale = (width - 200) / Math.max(top, 1e-9);
  const svg = shape("svg", {viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label, class: "chart"});
  rows.forEach(([name, value, colour], i) => {
    const y = 4 + 34 * i, long = clamp(value * scale, 0, width - 190);
    svg.append(shape("text", {x: 128, y: y + 19, "text-anchor": "end"}, name),
      shape("rect", {x: 134, y: y + 4, width: Math.max(1, long), height: 22, fill: colour, "data-name": name}),
      shape("text", {x: 140 + long, y: y + 19}, `${value.toFixed(2)}${unit}`));
  });
  figure.append(svg);
}

function begin(draws) {
  draw = draws;
  window.addEventListener("hashchange", fromAddress);
  window.addEventListener("resize", () => draw());
  fromAddress();
}
