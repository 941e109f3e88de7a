"use strict";
// What plotly.js draws: the bars over all videos that are shown, and the curve of each in sight.
const indexCharts = (() => {
  const still = { staticPlot: true, responsive: false };
  const number = new Intl.NumberFormat("en");
  const clear = "rgba(0,0,0,0)";

  const barLayout = (chart, most) => {
    const upright = chart.centres.length > 0;
    const values = { gridcolor: theme.colour("line"), zeroline: false, fixedrange: true, range: [0, Math.max(4, most * 1.04)], nticks: 4, tickangle: 0, tickformat: "~s", automargin: true };
    const bins = { fixedrange: true, automargin: true, zeroline: false, showgrid: false };
    const names = { fixedrange: true, automargin: true, type: "category", tickvals: chart.labels, autorange: "reversed", ticksuffix: " " };
    return {
      ...look(),
      plot_bgcolor: clear,
      margin: { l: 8, r: 10, t: 6, b: 8 },
      bargap: upright ? 0.06 : 0.25,
      xaxis: upright ? bins : values,
      yaxis: upright ? values : names,
    };
  };

  /** Draw the bars of one chart; ``sums`` has a number a bar. */
  const bars = (place, chart, sums) => {
    const trace = {
      type: "bar",
      marker: { color: chart.tones.map((tone) => theme.colour(tone || "accent")) },
      text: chart.labels,
      textposition: "none",
    };
    if (chart.centres.length) {
      Object.assign(trace, { x: chart.centres, y: sums, hovertemplate: "%{text}: %{y:,}<extra></extra>" });
    } else {
      Object.assign(trace, { x: sums, y: chart.labels, orientation: "h", hovertemplate: "%{text}: %{x:,}<extra></extra>" });
    }
    charts.draw(place, [trace], barLayout(chart, Math.max(...sums)));
    const title = place.parentElement.querySelector("h3").textContent;
    const told = chart.labels.map((label, at) => `${label} ${number.format(sums[at])}`);
    place.setAttribute("aria-label", `${title}, ${chart.unit}: ${told.join(", ")}`);
  };

  /** Draw one video's sentiment intensity over time, on the scale from -3 to 3. */
  const spark = (place, curve) => {
    const axis = { visible: false, fixedrange: true };
    const trace = {
      type: "scatter",
      mode: curve.length > 1 ? "lines" : "markers",
      x: curve.map((point) => point[0]),
      y: curve.map((point) => point[1]),
      line: { color: theme.colour("accent"), width: 1.5 },
      marker: { color: theme.colour("accent"), size: 6 },
      fill: "tozeroy",
    };
    const zero = { type: "line", x0: 0, x1: 1, y0: 0, y1: 0, line: { color: theme.colour("muted"), width: 1 } };
    const layout = {
      width: place.clientWidth,
      height: place.clientHeight,
      margin: { l: 0, r: 0, t: 0, b: 0 },
      paper_bgcolor: clear,
      plot_bgcolor: clear,
      showlegend: false,
      xaxis: { ...axis, range: [0, 1] },
      yaxis: { ...axis, range: [-3.2, 3.2] },
      shapes: [zero],
    };
    return charts.draw(place, [trace], layout, still);
  };

  /** Keep the curves of the places in sight drawn, and only those: a thousand would take memory. */
  const sparks = (places, curveOf) => {
    const waiting = new Set();
    const drawn = new Set();
    let asked = false;
    const work = async () => {
      const until = performance.now() + 12;
      for (const place of waiting) {
        waiting.delete(place);
        await spark(place, curveOf(place));
        drawn.add(place);
        if (performance.now() > until) break;
      }
      asked = false;
      if (waiting.size) ask();
    };
    const ask = () => {
      if (!asked) requestAnimationFrame(work);
      asked = true;
    };
    const seen = new IntersectionObserver(
      (entries) => {
        for (const { target, isIntersecting } of entries) {
          if (isIntersecting) {
            if (!drawn.has(target)) waiting.add(target);
          } else {
            waiting.delete(target);
            if (drawn.delete(target)) Plotly.purge(target);
          }
        }
        if (waiting.size) ask();
      },
      { rootMargin: "500px 0px" },
    );
    for (const place of places) seen.observe(place);
    theme.onChange(() => {
      for (const place of drawn) waiting.add(place);
      drawn.clear();
      ask();
    });
  };

  return { bars, sparks };
})();
