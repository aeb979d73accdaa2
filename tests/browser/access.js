() => {
  // What is wrong for a reader who sees badly, hears the page or has no mouse, in words; empty lists are good.
  const seen = node => node.checkVisibility({opacityProperty: true, visibilityProperty: true}) && node.getClientRects().length > 0;
  const what = node => `<${node.localName}> ${(node.id || node.getAttribute("class") || "").slice(0, 40)} "${(node.textContent || "").trim().slice(0, 40)}"`;

  // ---- contrast, as WCAG 2 has it; a colour that is not opaque lies on what is behind it
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const rgba = text => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = text;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = ([r, g, b, a], under) => [r, g, b].map((c, i) => a * c + (1 - a) * under[i]);
  const behind = node => {
    const layers = [];
    for (let at = node; at; at = at.parentElement) {
      const layer = rgba(getComputedStyle(at).backgroundColor);
      if (layer[3] > 0) layers.push(layer);
      if (layer[3] === 1) break;
    }
    const dark = getComputedStyle(document.documentElement).colorScheme.split(" ").includes("dark") && matchMedia("(prefers-color-scheme: dark)").matches;
    return layers.reverse().reduce((under, layer) => over(layer, under), dark ? [18, 18, 18] : [255, 255, 255]);
  };
  const light = colour => {
    const [r, g, b] = colour.map(c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const pale = new Map();
  let texts = 0;
  const weigh = (node, written) => {
    texts += 1;
    const back = behind(node);
    let ink = rgba(written);
    for (let at = node; at; at = at.parentElement) ink = [...ink.slice(0, 3), ink[3] * Number(getComputedStyle(at).opacity)];
    const [low, high] = [light(over(ink, back)), light(back)].sort((a, b) => a - b);
    const contrast = (high + 0.05) / (low + 0.05);
    if (contrast < 4.5) pale.set(`${written} on ${back.map(Math.round)}: ${contrast.toFixed(2)}`, what(node));
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || node.closest("script, style, noscript, title, desc") || !seen(node)) continue;
    weigh(node, getComputedStyle(node)[node instanceof SVGElement ? "fill" : "color"]);
  }
  for (const node of [...document.querySelectorAll("[placeholder]")].filter(seen)) {
    weigh(node, getComputedStyle(node, "::placeholder").color);
  }

  // ---- names, headings, pictures
  const name = node => node.ariaLabel || node.title || node.alt || [...(node.labels || [])].map(l => l.textContent).join("")
    || (node.getAttribute("aria-labelledby") || "").split(" ").map(id => document.getElementById(id)?.textContent || "").join("")
    || node.textContent || [...node.querySelectorAll("img")].map(i => i.alt).join("") || (node.type === "submit" && node.value);
  const controls = [...document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, iframe, summary, [role=button], [tabindex='0']")].filter(seen);
  const levels = [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")].filter(seen).map(h => Number(h.localName[1]));
  return {
    texts,
    pale: [...pale].map(row => row.join(" ")),
    nameless: controls.filter(node => !(name(node) || "").trim()).map(what),
    unfocusable: controls.filter(node => node.tabIndex < 0).map(what),
    titles: levels.filter(level => level === 1).length,
    skipped: levels.flatMap((level, i) => i && level > levels[i - 1] + 1 ? [`h${levels[i - 1]} then h${level}`] : []),
    undescribed: [...document.querySelectorAll("img:not([alt]), img[alt=''], svg[role=img]:not([aria-label]):not([aria-labelledby])")].filter(seen).map(what),
    language: document.documentElement.lang,
  };
}
