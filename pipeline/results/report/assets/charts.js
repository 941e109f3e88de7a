"use strict";
// What all charts of the page share: how they look in the theme that is on.
const CHARTS = { displayModeBar: false, displaylogo: false, responsive: true };

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
