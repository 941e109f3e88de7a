"use strict";
// Why the chosen utterance is taken for what it is; drawn when it is looked at.
const why = (() => {
  const section = document.getElementById("why");
  if (!section) return null;
  const { utterances } = page;
  const MODALITIES = ["text", "acoustic", "visual"];
  const NAMES = { text: "words", acoustic: "voice", visual: "face" };
  const COLOURS = { text: "text", acoustic: "voice", visual: "face" };
  // More rows than this could not be told apart: then a window around the chosen utterance.
  const WHOLE = 32;
  const WINDOW = 24;
  const LETTER = 6.5; // pixels, of the charts' labels
  const narrow = window.matchMedia("(max-width: 640px)");
  const element = (id) => document.getElementById(id);
  let seen = false;
  let printing = false;
  let stale = true;

  const plain = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  const short = (text, n) => (text.length > n ? `${text.slice(0, n - 1)}\u2026` : text);
  const chosen = () => utterances[choice.now.chosen];

  const chart = (id, traces, layout, words) => {
    const place = element(id);
    place.setAttribute("role", "img");
    place.setAttribute("aria-label", words);
    return charts.draw(place, traces, { ...look(), ...layout });
  };

  const bars = (labels, values, colour, extra = {}) => ({
    type: "bar",
    orientation: "h",
    y: labels,
    x: values,
    marker: { color: colour },
    cliponaxis: false,
    ...extra,
  });

  const found = (utterance) => {
    const groups = [];
    const add = (label, value, colour, text) => groups.push({ label, value, colour, text });
    const { sentiment } = utterance;
    if (sentiment?.probabilities) {
      for (const [label, value] of Object.entries(sentiment.probabilities)) {
        add(label, value, theme.colour(["negative", "neutral", "positive"].includes(label) ? label : "accent"), value.toFixed(2));
      }
    }
    (utterance.emotions ?? []).forEach(([probability, , intensity], i) => {
      const value = probability ?? (intensity ?? 0) / 3;
      const told = [probability?.toFixed(2), intensity === null ? null : `intensity ${intensity.toFixed(1)}`];
      const label = page.emotions[i];
      add(label, value, theme.colour("accent"), told.filter(Boolean).join(", "));
    });
    for (const part of ["arousal", "valence"]) {
      for (const [label, value] of Object.entries(utterance[part]?.probabilities ?? {})) {
        add(`${part} ${label}`, value, theme.colour(part === "arousal" ? "voice" : "face"), value.toFixed(2));
      }
    }
    const words = groups.length
      ? `Probabilities: ${groups.map(({ label, text }) => `${label} ${text}`).join("; ")}`
      : "This utterance was not judged.";
    element("found-words").textContent = words;
    // Room to the right of the longest bar for the longest label, however narrow the chart.
    const left = 110;
    const right = 12;
    const room = 10 + LETTER * Math.max(0, ...groups.map((g) => g.text.length));
    const inner = Math.max(element("found-chart").clientWidth - left - right, 1.5 * room);
    chart(
      "found-chart",
      [
        bars(
          groups.map((g) => g.label),
          groups.map((g) => g.value),
          groups.map((g) => g.colour),
          { text: groups.map((g) => g.text), textposition: "outside", hoverinfo: "y+text" },
        ),
      ],
      {
        margin: { l: left, r: right, t: 4, b: 30 },
        bargap: 0.25,
        xaxis: { ...axisLook(), range: [0, Math.max(1.45, inner / (inner - room))], tickvals: [0, 0.5, 1], fixedrange: true },
        yaxis: { ...axisLook(), type: "category", autorange: "reversed", fixedrange: true },
      },
      words,
    );
  };

  const contributions = (utterance) => {
    if (!element("contributions-chart")) return;
    const told = utterance.contributions ?? {};
    const judged = MODALITIES.filter((name) => told[name]);
    const { sentiment } = utterance;
    const traces = judged.map((name) => {
      const part = told[name];
      const shares = { ...(part.emotions?.probability ?? {}) };
      if (part.sentiment?.probability != null) shares[sentiment.label] = part.sentiment.probability;
      for (const level of ["arousal", "valence"]) {
        if (part[level]) shares[`${level} ${utterance[level].label}`] = part[level].probability;
      }
      const strengths = { ...(part.emotions?.intensity ?? {}) };
      if (part.sentiment?.intensity != null) strengths.sentiment = part.sentiment.intensity;
      return { name, shares, strengths };
    });
    const rows = (pick) => [...new Set(traces.flatMap((trace) => Object.keys(trace[pick])))];
    const drawn = (pick, axis) => {
      // The sentiment first, then the emotions in their order.
      const labels = rows(pick).sort((a, b) => page.emotions.indexOf(a) - page.emotions.indexOf(b));
      return traces.map((trace, i) => ({
        ...bars(labels, labels.map((label) => trace[pick][label] ?? null), theme.colour(COLOURS[trace.name])),
        name: NAMES[trace.name],
        xaxis: `x${axis}`,
        yaxis: `y${axis}`,
        legendgroup: trace.name,
        showlegend: axis === "" || !rows("shares").length,
        offsetgroup: String(i),
        hovertemplate: `${NAMES[trace.name]} adds %{x:+.2f}<extra>%{y}</extra>`,
      }));
    };
    const lines = judged.map((name) => {
      const part = told[name].sentiment;
      if (!part) return NAMES[name];
      const by = part.intensity == null ? "" : ` ${page.signed(part.intensity)} on intensity`;
      const other = part.label_without && part.label_without !== sentiment.label ? `, without it ${part.label_without}` : "";
      return `${NAMES[name]}${by}${other}`;
    });
    const words = judged.length
      ? `${lines.join("; ")}.`
      : "Nothing to compare with: there is no prediction, or only one modality.";
    element("contributions-words").textContent = words;
    const scale = { ...axisLook(), zeroline: true, zerolinecolor: theme.colour("muted"), fixedrange: true };
    const names = { ...axisLook(), type: "category", autorange: "reversed", fixedrange: true };
    chart(
      "contributions-chart",
      [...drawn("shares", ""), ...drawn("strengths", "2")],
      {
        margin: { l: 84, r: 8, t: 30, b: 40 },
        barmode: "group",
        showlegend: true,
        legend: { orientation: "h", y: 1.12, x: 0 },
        // Side by side, or on a phone one above the other.
        xaxis: { ...scale, domain: narrow.matches ? [0, 1] : [0, 0.4], title: { text: "probability" } },
        yaxis: { ...names, domain: narrow.matches ? [0.58, 1] : [0, 1] },
        xaxis2: { ...scale, domain: narrow.matches ? [0, 1] : [0.62, 1], title: { text: "intensity" }, anchor: "y2" },
        yaxis2: { ...names, domain: narrow.matches ? [0, 0.42] : [0, 1], anchor: "x2" },
      },
      `What each modality adds: ${words}`,
    );
  };

  // ---- attention

  const unpacked = new Map();
  const map = (attention) => {
    if (!unpacked.has(attention.name)) {
      unpacked.set(attention.name, {
        index: page.numbers(attention.index, attention.wide ? 4 : 2),
        weight: page.numbers(attention.weight, 2),
      });
    }
    return unpacked.get(attention.name);
  };

  const shownRange = () => {
    const n = utterances.length;
    if (n <= WHOLE) return [0, n];
    const first = Math.min(Math.max(0, choice.now.chosen - WINDOW / 2), n - WINDOW);
    return [first, first + WINDOW];
  };

  /** Weights of a map within a range; an absent row is null, a weight that was not kept 0. */
  const weights = (attention, [first, last]) => {
    const { index, weight } = map(attention);
    const z = [];
    for (let i = first; i < last; i++) {
      const at = i * page.attended;
      if (weight[at] === 0) {
        z.push(Array(last - first).fill(null));
        continue;
      }
      const row = Array(last - first).fill(0);
      for (let k = at; k < at + page.attended; k++) {
        if (index[k] >= first && index[k] < last) row[index[k] - first] = weight[k] / 10000;
      }
      z.push(row);
    }
    return z;
  };

  const strongest = (attention, number, n) => {
    const { index, weight } = map(attention);
    const at = number * page.attended;
    return Array.from({ length: n }, (_, k) => [index[at + k], weight[at + k] / 10000]).filter(
      ([, share]) => share >= 0.005,
    );
  };

  const drawAttention = () => {
    const place = element("attention");
    if (!place) return;
    const range = shownRange();
    const numbers = Array.from({ length: range[1] - range[0] }, (_, i) => range[0] + i);
    const label = (i) => plain(`${i} ${short(utterances[i].text || "(no words)", narrow.matches ? 9 : 16)}`);
    const notes = [];
    if (utterances.length > page.attended) {
      notes.push(`Kept are the ${page.attended} strongest weights of each row; others are drawn as 0.`);
    }
    if (utterances.length > WHOLE) {
      notes.push(`Drawn are utterances ${range[0]} to ${range[1] - 1} of ${utterances.length}, around the chosen one.`);
    }
    element("attention-note").textContent = notes.join(" ");
    const texts = numbers.map((i) =>
      numbers.map((j) => plain(`${i}: ${short(utterances[i].text, 50)}<br>looks at ${j}: ${short(utterances[j].text, 50)}`).replace("&lt;br&gt;", "<br>")),
    );
    const list = document.createElement("ul");
    page.attention.forEach((attention, at) => {
      if (!place.children[at]) {
        const added = document.createElement("div");
        added.className = "map";
        added.id = `attention-${at}`;
        place.append(added);
      }
      const found = strongest(attention, choice.now.chosen, 3);
      const words = found.length
        ? `${attention.title}: ${found.map(([j, share]) => `${j} (${share.toFixed(2)})`).join(", ")}`
        : `${attention.title}: nothing, the modality is absent`;
      const item = document.createElement("li");
      item.textContent = words;
      list.append(item);
      chart(
        `attention-${at}`,
        [
          {
            type: "heatmap",
            x: numbers,
            y: numbers,
            z: weights(attention, range),
            text: texts,
            zmin: 0,
            colorscale: [
              [0, theme.colour("heat-0")],
              [1, theme.colour("heat-1")],
            ],
            colorbar: { thickness: 10, outlinewidth: 0, len: 1 },
            hoverongaps: false,
            hovertemplate: "%{text}<br>weight %{z:.3f}<extra></extra>",
          },
        ],
        {
          margin: { l: narrow.matches ? 88 : 130, r: 8, t: 34, b: 44 },
          title: { text: attention.title, font: { size: 13 }, x: 0.02, xanchor: "left" },
          plot_bgcolor: theme.colour("line"),
          xaxis: { ...axisLook(), title: { text: "utterance j, attended to" }, showgrid: false, dtick: Math.ceil(numbers.length / (narrow.matches ? 6 : 16)), tick0: range[0], tickangle: 0, fixedrange: true },
          yaxis: { ...axisLook(), autorange: "reversed", showgrid: false, tickvals: numbers, ticktext: numbers.map(label), tickfont: { size: numbers.length > 16 ? 9 : 11 }, fixedrange: true },
          shapes: [
            {
              type: "rect",
              xref: "x",
              yref: "y",
              x0: range[0] - 0.5,
              x1: range[1] - 0.5,
              y0: choice.now.chosen - 0.5,
              y1: choice.now.chosen + 0.5,
              line: { color: theme.colour("accent"), width: 2 },
            },
          ],
        },
        `Attention of utterance ${choice.now.chosen}. ${words}.`,
      ).then((drawn) => {
        drawn.removeAllListeners("plotly_click");
        drawn.on("plotly_click", ({ points }) => choice.choose(points[0].x));
      });
    });
    const heading = document.createElement("p");
    heading.className = "muted";
    heading.textContent = `Utterance ${choice.now.chosen} looks most at (weight); a click on a cell goes to utterance j:`;
    element("attention-words").replaceChildren(heading, list);
  };

  // ---- face and voice

  const usual = (values) => values.usual[chosen().speaker ?? ""];

  /** How far each measure of the chosen utterance is from the speaker's mean. */
  const deviations = () =>
    page.values.flatMap((values) => {
      const speaker = usual(values);
      return values.measures.map((measure, i) => {
        const value = values.rows[choice.now.chosen][i];
        const spread = speaker.sd[i];
        const known = value !== null && spread !== null && spread > 0;
        return {
          ...measure,
          modality: values.modality,
          value,
          mean: speaker.mean[i],
          distance: known ? (value - speaker.mean[i]) / spread : null,
        };
      });
    });

  let wanted = "";

  const measures = () => {
    if (!element("deviation-chart")) return;
    const all = deviations().filter((one) => one.distance !== null);
    const unusual = [...all].sort((a, b) => Math.abs(b.distance) - Math.abs(a.distance));
    const words = unusual.length
      ? `Furthest from the speaker's mean: ${unusual
          .slice(0, 4)
          .map((one) => `${one.label} ${page.signed(one.distance)} SD`)
          .join(", ")}.`
      : "Neither face nor voice of this utterance can be set against a mean.";
    element("measures-words").textContent = words;
    chart(
      "deviation-chart",
      [
        {
          ...bars(
            all.map((one) => one.label),
            all.map((one) => one.distance),
            all.map((one) => theme.colour(COLOURS[one.modality])),
          ),
          text: all.map((one) => `${one.value} ${one.unit}, mean ${one.mean}`),
          textposition: "none",
          hovertemplate: "%{y}: %{text}<br>%{x:+.1f} SD<extra></extra>",
        },
      ],
      {
        margin: { l: 170, r: 12, t: 4, b: 30 },
        bargap: 0.2,
        xaxis: { ...axisLook(), zeroline: true, zerolinecolor: theme.colour("muted"), fixedrange: true, ticksuffix: " SD" },
        yaxis: { ...axisLook(), type: "category", autorange: "reversed", fixedrange: true, dtick: 1, tickfont: { size: 10 } },
      },
      words,
    );
    const offered = page.traces.flatMap((t) => t.measures.map((m) => m.name));
    const first = unusual.find((one) => offered.includes(one.name))?.name ?? offered[0];
    trace(wanted || first);
  };

  const trace = (name) => {
    const select = element("trace-measure");
    const traces = page.traces.find((t) => t.measures.some((m) => m.name === name));
    select.value = name ?? "";
    if (!traces) return;
    const i = traces.measures.findIndex((m) => m.name === name);
    const measure = traces.measures[i];
    const { start, end } = chosen();
    const around = Math.max(0.5, 0.15 * (end - start));
    const from = Math.max(0, Math.floor((start - around) / traces.step));
    const to = Math.min(traces.n, Math.ceil((end + around) / traces.step));
    const bytes = unpackedTraces(traces);
    const x = [];
    const y = [];
    for (let k = from; k < to; k++) {
      const byte = bytes[i * traces.n + k];
      x.push((k + 0.5) * traces.step);
      y.push(byte ? traces.low[i] + ((byte - 1) / 254) * traces.span[i] : null);
    }
    const speaker = usual(traces);
    const [mean, spread] = [speaker?.mean[i] ?? null, speaker?.sd[i] ?? 0];
    const colour = theme.colour(COLOURS[traces.modality]);
    const shapes = [
      { type: "rect", xref: "x", yref: "paper", x0: start, x1: end, y0: 0, y1: 1, line: { width: 0 }, fillcolor: theme.colour("selected"), opacity: 0.5, layer: "below" },
    ];
    if (mean !== null) {
      shapes.push(
        { type: "rect", xref: "paper", yref: "y", x0: 0, x1: 1, y0: mean - spread, y1: mean + spread, line: { width: 0 }, fillcolor: colour, opacity: 0.15, layer: "below" },
        { type: "line", xref: "paper", yref: "y", x0: 0, x1: 1, y0: mean, y1: mean, line: { color: colour, width: 1.5, dash: "dot" } },
      );
    }
    const known = y.filter((value) => value !== null);
    const words = known.length
      ? `${measure.label} from ${Math.min(...known).toPrecision(3)} to ${Math.max(...known).toPrecision(3)} ${measure.unit}, speaker's mean ${mean}`
      : `${measure.label} was not measured here`;
    const low = Math.min(...known, mean === null ? Infinity : mean - spread);
    const high = Math.max(...known, mean === null ? -Infinity : mean + spread);
    const room = (high - low || 1) * 0.08;
    chart(
      "trace-chart",
      [
        {
          type: "scatter",
          mode: "lines+markers",
          x,
          y,
          line: { color: colour, width: 2 },
          marker: { size: 4 },
          hovertemplate: "%{y:.3g} at %{x:.1f} s<extra></extra>",
        },
      ],
      {
        margin: { l: 60, r: 12, t: 10, b: 40 },
        shapes,
        xaxis: { ...axisLook(), range: [from * traces.step, to * traces.step], title: { text: "seconds into the recording" }, fixedrange: true },
        yaxis: { ...axisLook(), ...(Number.isFinite(low) ? { range: [low - room, high + room] } : {}), title: { text: measure.unit || measure.label }, fixedrange: true },
      },
      words,
    );
  };

  const traceBytes = new Map();
  const unpackedTraces = (traces) => {
    if (!traceBytes.has(traces)) traceBytes.set(traces, page.bytes(traces.values));
    return traceBytes.get(traces);
  };

  const fillSelect = () => {
    const select = element("trace-measure");
    if (!select) return;
    for (const traces of page.traces) {
      const group = document.createElement("optgroup");
      group.label = `${NAMES[traces.modality]} (${traces.feature})`;
      for (const measure of traces.measures) group.append(new Option(measure.label, measure.name));
      select.append(group);
    }
    select.closest("label").hidden = !page.traces.length;
    select.addEventListener("change", () => {
      wanted = select.value;
      trace(wanted);
    });
  };

  // ---- all of it

  const draw = () => {
    if (!(seen || printing) || !stale || !chosen()) return;
    stale = false;
    found(chosen());
    contributions(chosen());
    drawAttention();
    measures();
  };

  const describe = () => {
    const utterance = chosen();
    if (!utterance) return;
    const who = utterance.speaker ? `${utterance.speaker}: ` : "";
    element("chosen-line").textContent =
      `Utterance ${choice.now.chosen}, ${page.clock(utterance.start)}. ${who}\u201c${utterance.text || "(no words)"}\u201d ${player.inWords(utterance)}`;
  };

  fillSelect();
  new IntersectionObserver(
    ([entry]) => {
      seen = entry.isIntersecting;
      draw();
    },
    { rootMargin: "200px" },
  ).observe(section);
  choice.onChange((now, event) => {
    if (event.kind !== "chosen") return;
    stale = true;
    describe();
    draw();
  });
  const again = () => {
    stale = true;
    draw();
  };
  theme.onChange(again);
  narrow.addEventListener("change", again);
  // Paper shows what was never scrolled to.
  window.addEventListener("beforeprint", () => {
    printing = true;
    draw();
  });
  window.addEventListener("afterprint", () => {
    printing = false;
  });
  return { draw };
})();
