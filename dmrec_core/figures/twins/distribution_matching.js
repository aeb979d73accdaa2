// One latent dimension: q, p, what lies between them, and what each strategy makes of them as lambda moves.

const lam = slider("lam", "λ", steps(0, 1, 0.01), 0.5);
const alpha = slider("alpha", "α", steps(0.02, 0.98, 0.01), 0.5);
const strategy = choice("strategy", "strategy", [["godm", "GODM"], ["cpdm", "CPDM"], ["mddm", "MDDM"]], "mddm");
let muQ, sigmaQ, muP, sigmaP;
const one = value => value.toFixed(1).replace("-", "−");
presets([
  ["no matching", () => ({lam: strategy.get() === "mddm" ? 1 : 0})],
  ["half and half", {lam: 0.5, alpha: 0.5}],
  ["no prior", {strategy: "mddm", lam: 0}],
]);
fold("the shapes of q and p", () => {
  muQ = slider("muq", "q: μ", steps(-4, 4, 0.1), -1.5, one);
  sigmaQ = slider("sq", "q: σ", steps(0.2, 2.5, 0.1), 0.7, one);
  muP = slider("mup", "p: μ", steps(-4, 4, 0.1), 2, one);
  sigmaP = slider("sp", "p: σ", steps(0.2, 2.5, 0.1), 0.6, one);
});

// Every formula of this page, on {mu, sigma}; Eq. numbers are the paper's.
const maths = {
  density: (z, g) => Math.exp(-0.5 * ((z - g.mu) / g.sigma) ** 2) / (g.sigma * Math.sqrt(2 * Math.PI)),
  kl: (a, b) => Math.log(b.sigma / a.sigma) + (a.sigma ** 2 + (a.mu - b.mu) ** 2) / (2 * b.sigma ** 2) - 0.5,          // Eq. 14
  w2squared: (a, b) => (a.mu - b.mu) ** 2 + (a.sigma - b.sigma) ** 2,                                              // Eq. 9
  mixture: (z, q, p, share) => share * maths.density(z, q) + (1 - share) * maths.density(z, p),                    // Eq. 11
  moments: (q, p, share) => {                                                                                      // Eq. 11's moments
    const mu = share * q.mu + (1 - share) * p.mu;
    return {mu, sigma: Math.sqrt(share * q.sigma ** 2 + (1 - share) * p.sigma ** 2 + share * (1 - share) * (q.mu - p.mu) ** 2)};
  },
  geometric: (q, p, share) => ({mu: share * q.mu + (1 - share) * p.mu, sigma: q.sigma ** share * p.sigma ** (1 - share)}),
  composite: (q, p, com) => maths.kl(p, com) + maths.kl(q, com),                                                   // Eq. 12
  mixtureDivergence: (q, p, share) => {                                                                            // Eq. 12 with Eq. 11 itself
    const to = a => {
      const n = 2000, low = a.mu - 9 * a.sigma, width = 18 * a.sigma / n;
      let sum = 0;
      for (let i = 0; i < n; i++) {
        const z = low + (i + 0.5) * width, f = maths.density(z, a);
        if (f > 1e-300) sum += f * Math.log(f / maths.mixture(z, q, p, share)) * width;
      }
      return sum;
    };
    return to(p) + to(q);
  },
  loss: (name, q, p, l, share) => {                                                                                // Eq. 10, 13, 15 as printed
    const prior = maths.kl(q, PRIOR);
    if (name === "godm") return prior + l * maths.w2squared(p, q);
    if (name === "cpdm") return prior + l * maths.composite(q, p, maths.moments(q, p, share));
    return l * prior + (1 - l) * maths.kl(q, p);
  },
  rest: (name, p, l, share) => {   // the q that minimises the loss: coordinate search on mu and log sigma
    let mu = 0, log = 0, best = maths.loss(name, {mu, sigma: 1}, p, l, share);
    for (let step = 1; step > 1e-4; step /= 2) {
      for (let better = true; better;) {
        better = false;
        for (const [a, b] of [[step, 0], [-step, 0], [0, step], [0, -step]]) {
          const value = maths.loss(name, {mu: mu + a, sigma: Math.exp(log + b)}, p, l, share);
          if (value < best - 1e-12) { [mu, log, best, better] = [mu + a, log + b, value, true]; }
        }
      }
    }
    return {mu, sigma: Math.exp(log)};
  },
};
const PRIOR = {mu: 0, sigma: 1};
window.maths = maths;

const NAMES = {godm: "GODM, Eq. 10", cpdm: "CPDM, Eq. 13", mddm: "MDDM, Eq. 15"};
const LOOKS = {
  "prior N(0, 1)": {colour: COLOUR("neutral"), dash: "dot"},
  "q, collaborative": {colour: COLOUR("collaborative"), dash: "solid"},
  "p, language": {colour: COLOUR("language"), dash: "dash"},
  "mixture αq + (1 − α)p": {colour: COLOUR("alarm"), dash: "dash", width: 1.5},
  "Gaussian with the mixture's moments": {colour: COLOUR("alarm"), dash: "solid", width: 1.5},
  "geometric composite, as published": {colour: COLOUR("alarm"), dash: "dot", width: 1.5},
  "where this loss would bring q": {colour: COLOUR("matched"), dash: "solid", width: 3.5},
};
const densities = view("densities of one latent dimension", {wide: true});
const losses = view("L_DM of q and p as they stand, against λ");
const numbers = view("the distances behind it, in nats (W2 squared: latent units squared)");

begin(() => {
  const q = {mu: muQ.get(), sigma: sigmaQ.get()}, p = {mu: muP.get(), sigma: sigmaP.get()};
  const l = lam.get(), share = alpha.get(), name = strategy.get();
  const rest = maths.rest(name, p, l, share);
  const grid = steps(-6, 6, 0.05);
  const shapes = [z => maths.density(z, PRIOR), z => maths.density(z, q), z => maths.density(z, p), z => maths.mixture(z, q, p, share),
    z => maths.density(z, maths.moments(q, p, share)), z => maths.density(z, maths.geometric(q, p, share)), z => maths.density(z, rest)];
  const curves = shapes.map(f => grid.map(z => [z, f(z)]));
  const top = Math.min(2.1, 1.08 * Math.max(...curves.flat().map(([, f]) => f)));
  const chart = new Chart(densities, {x: [-6, 6], y: [0, top], height: 330, xlabel: "z", ylabel: "density",
    label: "densities of q, p, their composites and the minimiser"});
  Object.entries(LOOKS).forEach(([label, look], i) => chart.line(curves[i], {...look, name: label}));
  key(densities, Object.entries(LOOKS));

  const axis = steps(0, 1, 0.02), all = Object.keys(NAMES).map(key => axis.map(x => [x, maths.loss(key, q, p, x, share)]));
  const high = 1.05 * Math.max(...all.flat().map(([, value]) => value), 0.1);
  const second = new Chart(losses, {x: [0, 1], y: [0, high], xlabel: "λ", ylabel: "nats", label: "matching losses over lambda"});
  Object.keys(NAMES).forEach((key, i) => second.line(all[i], {colour: COLOUR("matched"), dash: ["dash", "dashdot", "solid"][i],
    width: key === name ? 3.5 : 1.5, opacity: key === name ? 1 : 0.6, name: key}));
  const value = maths.loss(name, q, p, l, share);
  second.dots([[l, value]], {colour: COLOUR("ink"), size: 7, hollow: true, name: "here"});
  key(losses, Object.keys(NAMES).map((key, i) => [NAMES[key], {colour: COLOUR("matched"), dash: ["dash", "dashdot", "solid"][i]}]));

  const rows = [["KL(q ‖ prior)", maths.kl(q, PRIOR), COLOUR("neutral")], ["KL(q ‖ p)", maths.kl(q, p), COLOUR("collaborative")],
    ["KL(p ‖ q)", maths.kl(p, q), COLOUR("language")], ["W2 squared", maths.w2squared(p, q), COLOUR("matched")],
    ["D_CP, moments", maths.composite(q, p, maths.moments(q, p, share)), COLOUR("alarm")],
    ["D_CP, true mixture", maths.mixtureDivergence(q, p, share), COLOUR("alarm")],
    ["D_CP, geometric", maths.composite(q, p, maths.geometric(q, p, share)), COLOUR("alarm")]];
  bars(numbers, rows, {label: rows.map(([text, number]) => `${text} ${number.toFixed(2)}`).join(", "), top: Math.max(...rows.map(row => row[1]))});
  say(`${NAMES[name]} at λ = ${l.toFixed(2)}: L_DM = ${value.toFixed(2)} nats now; it would bring q to μ = ${rest.mu.toFixed(2)}, σ = ${rest.sigma.toFixed(2)}`);
});
