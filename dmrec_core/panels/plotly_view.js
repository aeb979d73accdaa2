// Draws a figure that another widget's model carries, with the plotly.js that a third one carries.

// plotly.js is loaded once a page, whatever module system the page has.
function load(source) {
  const text = "const define = undefined, module = undefined, exports = undefined, before = globalThis.Plotly;\n"
    + source + "\nexport default globalThis.Plotly;\nif (before) globalThis.Plotly = before;";
  const url = URL.createObjectURL(new Blob([text], {type: "text/javascript"}));
  return import(url).then(module => { URL.revokeObjectURL(url); return module.default; });
}

async function render({model, el, host}) {
  const carrier = id => host ? host.getModel(`anywidget:${id}`) : model.widget_manager.get_model(id);
  const box = document.createElement("div");
  el.append(box);
  const [source, figure] = await Promise.all([carrier(model.get("source")), carrier(model.get("figure"))]);
  const plotly = await (globalThis.dmrecPlotly ??= load(source.get("value")));

  let frame = 0, width = 0, drawn = false;
  const draw = () => {   // at most once a frame, always the newest figure
    frame ||= requestAnimationFrame(async () => {
      frame = 0;
      try {
        const {data, layout} = JSON.parse(figure.get("value"));
        await plotly.react(box, data, layout, {displaylogo: false, plotlyServerURL: ""});
        drawn = true;
      } catch (error) {
        box.textContent = `The figure could not be drawn: ${error}`;
      }
    });
  };
  const resized = new ResizeObserver(() => {
    if (drawn && el.clientWidth && el.clientWidth !== width) plotly.Plots.resize(box);
    width = el.clientWidth || width;
  });
  figure.on("change:value", draw);
  resized.observe(el);
  draw();
  return () => {
    cancelAnimationFrame(frame);
    resized.disconnect();
    figure.off("change:value", draw);
    plotly.purge(box);
  };
}

export default {render};
