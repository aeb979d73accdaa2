// A trained DMRec on Mult-VAE, frozen: matrix products on weights rounded to 16 bits. It knows of no page and no drawing.

// Whole numbers of 16 bits in base64, the low byte first, times one scale.
const numbers = ({scale, data}) => {
  const bytes = atob(data);
  return Array.from({length: bytes.length / 2}, (_, i) => (bytes.charCodeAt(2 * i) | bytes.charCodeAt(2 * i + 1) << 8) << 16 >> 16).map(whole => whole * scale);
};
const unpacked = weights => Object.fromEntries(Object.entries(weights).map(([name, packed]) => [name, numbers(packed)]));

const frozen = {
  tanh: vector => vector.map(Math.tanh),
  product: (matrix, bias, vector) => bias.map((b, row) => vector.reduce((sum, value, k) => sum + matrix[row * vector.length + k] * value, b)),
  sum: (table, rows, start) => start.map((b, k) => rows.reduce((sum, row) => sum + table[row * start.length + k], b)),
  gaussian: heads => ({   // the first half is the mean, the second the log-variance, kept where its exponential is a number
    mean: heads.slice(0, heads.length / 2),
    logvar: heads.slice(heads.length / 2).map(value => Math.min(30, Math.max(-30, value))),
  }),
  fuse: (q, p, variant) => ({
    mean: q.mean.map((value, k) => value + p.mean[k]),
    logvar: q.logvar.map((value, k) => variant === "paper" ? Math.log(Math.exp(value) + Math.exp(p.logvar[k])) : value + p.logvar[k]),
  }),

  // q, p, the fused posterior and every item's score, of a user who clicked these rows of the catalogue; `own` is the row
  // of the text about them, null where there is none.
  answer(net, clicked, own, variant) {
    const {tanh, product, sum, gaussian, fuse} = frozen;
    const q = gaussian(product(net.toQ, net.toQBias, tanh(sum(net.clicks, clicked, net.clicksBias))));               // Eq. 3
    // Eq. 7, W x + w, then Eq. 6. The first layer is linear: texts went through it before they are summed up here.
    const texts = sum(net.texts, clicked, own === null ? net.textsBias : sum(net.own, [own], net.textsBias));
    const p = gaussian(product(net.toP, net.toPBias, tanh(texts)));
    const both = fuse(q, p, variant);
    const scores = product(net.toScores, net.toScoresBias, tanh(product(net.toHidden, net.toHiddenBias, both.mean)));
    return {collaborative: q, language: p, fused: both, scores};
  },

  // Rows that were not clicked, the best first; among equal scores the lower row, as the core does.
  ranking: (scores, clicked) => [...scores.keys()].filter(row => !clicked.has(row)).sort((a, b) => scores[b] - scores[a] || a - b),
};
