"use strict";
// What all charts of the page share: plotly.js itself, and how they look in the theme that is on.
const CHARTS = { displayModeBar: false, displaylogo: false, responsive: true };

const charts = (() => {
  const unpack = async () => {
    const packed = document.getElementById("plotly-packed");
    const text = atob(packed.textContent);
    packed.remove();
    const bytes = Uint8Array.from({ length: text.length }, (_, i) => text.charCodeAt(i));
    const unpacked = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    const script = document.createElement("script");
    script.textContent = await new Response(unpacked).text();
    document.head.append(script); // runs at once: the page's policy names its digest
  };

  // Five megabytes of script take their time: the page is painted before.
  const ready = new Promise((resolve, reject) => {
    requestAnimationFrame(() => setTimeout(() => unpack().then(resolve, reject)));
  });

  /** Draw a chart, or draw it again; settles with its element when it is there. */
  const draw = (place, traces, layout, config = {}) =>
    ready.then(() => Plotly.react(place, traces, layout, { ...CHARTS, ...config }));

  return { draw };
})();

const look = () => ({
  paper_bgcolor: "rgba(0,0,0,0)",
  plot_bgcolor: theme.colour("panel"),
  font: { family: theme.colour("font"), size: 12, color: theme.colour("fg") },
  hoverlabel: {
    bgcolor: theme.colour("sunk"),
    bordercolor: theme.colour("line"),
    font: { color: theme.colour("fg") },
  },
  showlegend: false,
  dragmode: false,
});

const axisLook = () => ({
  gridcolor: theme.colour("line"),
  linecolor: theme.colour("line"),
  tickcolor: theme.colour("line"),
  zeroline: false,
  automargin: false,
});
