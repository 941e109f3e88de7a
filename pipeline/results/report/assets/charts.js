"use strict";
// What all charts of the page share: plotly.js itself, and how they look in the theme that is on.
const CHARTS = { displayModeBar: false, displaylogo: false, responsive: true };

const unpackBytes = (base64) => {
  const text = atob(base64);
  const array = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) array[i] = text.charCodeAt(i);
  return array;
};

const charts = (() => {
  const unpack = async () => {
    const packed = document.getElementById("plotly-packed");
    const file = new Blob([unpackBytes(packed.textContent)]);
    packed.remove();
    const unpacked = file.stream().pipeThrough(new DecompressionStream("deflate"));
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
