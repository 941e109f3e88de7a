"use strict";
// Sentiment, emotions, who is there and the sound, over time; drawn by plotly.js.
const timeline = (() => {
  const frame = document.getElementById("timeline");
  if (!frame) return null;
  const narrow = window.matchMedia("(max-width: 640px)");
  const coarse = window.matchMedia("(pointer: coarse)");
  const margin = () => ({ l: narrow.matches ? 84 : 104, r: 12, t: 6, b: 34 });
  const { utterances, duration } = page;
  const GAP = 8; // pixels between rows
  const MAX_PEAKS = 1200;
  let range = [0, duration];

  // Times are dates to plotly.js, which then labels its axis in minutes and seconds. Since 2000: it
  // takes small numbers for years.
  const EPOCH = Date.UTC(2000, 0, 1);
  const stamp = (seconds) => EPOCH + Math.round(seconds * 1000);
  const seconds = (given) => {
    const told = typeof given === "number" ? given : Date.parse(`${given.replace(" ", "T")}Z`);
    return (told - EPOCH) / 1000;
  };

  const short = (text) => (text.length > 60 ? `${text.slice(0, 57)}...` : text);
  // plotly.js reads a few tags in labels.
  const plain = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

  /** Borders of cells that cover the whole recording: before, in and between utterances. */
  const cells = (() => {
    const edges = [0];
    const owners = [];
    utterances.forEach((utterance, number) => {
      const start = Math.max(utterance.start, edges.at(-1));
      const end = Math.max(utterance.end, start);
      if (start > edges.at(-1)) {
        edges.push(start);
        owners.push(-1);
      }
      if (end > start) {
        edges.push(end);
        owners.push(number);
      }
    });
    if (duration > edges.at(-1)) {
      edges.push(duration);
      owners.push(-1);
    }
    return { edges: edges.map(stamp), owners };
  })();

  const of = (value) => cells.owners.map((owner) => (owner < 0 ? null : value(utterances[owner])));

  const scale = (name) => [
    [0, theme.colour("panel")],
    [1, theme.colour(name)],
  ];

  const PRESENCE = ["words", "speech", "face"];

  const strip = (axis, label, edges, values, colour, top, hover) => ({
    type: "heatmap",
    x: edges,
    y: [PRESENCE.indexOf(label) - 0.42, PRESENCE.indexOf(label) + 0.42],
    z: [values],
    yaxis: axis,
    zmin: 0,
    zmax: top,
    colorscale: scale(colour),
    showscale: false,
    hovertemplate: `${hover}<extra></extra>`,
  });

  const curve = (axis) => {
    const traces = [
      {
        x: utterances.map((u) => stamp((u.start + u.end) / 2)),
        y: utterances.map((u) => u.sentiment?.curve ?? null),
        line: { color: theme.colour("muted"), width: 1 },
        hoverinfo: "skip",
      },
    ];
    for (const tone of ["negative", "neutral", "positive"]) {
      const own = utterances.filter(
        (u) => u.sentiment && u.sentiment.curve !== null && page.tone(u) === tone,
      );
      traces.push({
        x: own.flatMap((u) => [stamp(u.start), stamp((u.start + u.end) / 2), stamp(u.end), null]),
        y: own.flatMap((u) => [...Array(3).fill(u.sentiment.curve), null]),
        text: own.flatMap((u) => Array(4).fill(plain(short(u.text)))),
        line: { color: theme.colour(tone), width: 4 },
        hovertemplate: `%{y:+.1f} ${tone}<br>%{text}<extra></extra>`,
      });
    }
    return traces.map((trace) => ({ type: "scatter", mode: "lines", yaxis: axis, ...trace }));
  };

  const levels = (axis, name) => ({
    type: "scatter",
    mode: "lines",
    yaxis: axis,
    x: utterances.flatMap((u) => [stamp(u.start), stamp(u.end), null]),
    y: utterances.flatMap((u) => {
      const level = u[name] ? page.levels[name].indexOf(u[name].label) : null;
      return [level, level, null];
    }),
    line: { color: theme.colour("accent"), width: 4 },
    hovertemplate: `${name} %{y}<extra></extra>`,
  });

  const emotions = (axis) => ({
    type: "heatmap",
    x: cells.edges,
    y: page.emotions,
    z: page.emotions.map((_, i) => of((u) => (u.emotions ? page.strength(u.emotions[i]) : null))),
    yaxis: axis,
    zmin: 0,
    zmax: utterances.some((u) => u.emotions?.some((e) => e[2] !== null)) ? 3 : 1,
    colorscale: [
      [0, theme.colour("heat-0")],
      [1, theme.colour("heat-1")],
    ],
    showscale: false,
    ygap: 1,
    hovertemplate: "%{y} %{z:.1f}<extra></extra>",
  });

  const share = (value, length) => (length > 0 ? Math.min(1, value / length) : 0);

  const voice = (axis) => {
    if (page.speech) {
      const edges = [0];
      const values = [];
      for (const [start, end] of page.speech) {
        if (start > edges.at(-1)) {
          edges.push(start);
          values.push(0);
        }
        if (end > edges.at(-1)) {
          edges.push(end);
          values.push(1);
        }
      }
      if (duration > edges.at(-1)) {
        edges.push(duration);
        values.push(0);
      }
      return strip(axis, "speech", edges.map(stamp), values, "voice", 1, "speech");
    }
    const spoken = of((u) => {
      const [there, , quality] = u.modalities[1];
      return there ? share(quality.speech_s ?? u.end - u.start, u.end - u.start) : 0;
    });
    return strip(axis, "speech", cells.edges, spoken, "voice", 1, "speech in %{z:.0%}");
  };

  const face = (axis) => {
    if (page.faces) {
      const counts = page.bytes(page.faces.values);
      // Runs of the same number: an hour has tens of thousands of steps and few changes.
      const edges = [0];
      const values = [];
      counts.forEach((count, i) => {
        if (i > 0 && count !== counts[i - 1]) {
          edges.push(i * page.faces.step);
          values.push(counts[i - 1]);
        }
      });
      edges.push(duration);
      values.push(counts.at(-1));
      return strip(axis, "face", edges.map(stamp), values, "face", 2, "faces in view: %{z}");
    }
    const seen = of((u) => (u.modalities[2][0] ? (u.modalities[2][2].face_coverage ?? 1) : 0));
    return strip(axis, "face", cells.edges, seen, "face", 1, "face in %{z:.0%}");
  };

  const words = (axis) =>
    strip(axis, "words", cells.edges, of((u) => Number(u.modalities[0][0])), "text", 1, "words");

  const peaks = page.waveform ? page.bytes(page.waveform.values) : null;

  /** The sound in the shown part, as many peaks as can be told apart. */
  const sound = () => {
    const { step } = page.waveform;
    const first = Math.max(0, Math.floor(range[0] / step));
    const last = Math.min(peaks.length, Math.ceil(range[1] / step) + 1);
    const size = Math.max(1, Math.ceil((last - first) / MAX_PEAKS));
    const x = [];
    const y = [];
    for (let i = first; i < last; i += size) {
      let peak = 0;
      for (let k = i; k < Math.min(i + size, last); k++) peak = Math.max(peak, peaks[k]);
      x.push(stamp((i + size / 2) * step));
      y.push(peak / 255);
    }
    return { x, y };
  };

  const waveform = (axis) => {
    const { x, y } = sound();
    const drawn = (values, name) => ({
      type: "scatter",
      mode: "lines",
      name,
      yaxis: axis,
      x,
      y: values,
      fill: "tozeroy",
      line: { color: theme.colour("muted"), width: 0.5 },
      hovertemplate: "sound<extra></extra>",
    });
    return [drawn(y, "waveform"), drawn(y.map((value) => -value), "waveform-below")];
  };

  const axes = {
    sentiment: () => ({
      range: [-3.3, 3.3],
      tickvals: [-3, 0, 3],
      ticktext: ["\u22123", "sentiment", "+3"],
      zeroline: true,
      zerolinecolor: theme.colour("muted"),
    }),
    arousal: () => ({ tickvals: page.levels.arousal.map((_, i) => i), ticktext: page.levels.arousal }),
    valence: () => ({ tickvals: page.levels.valence.map((_, i) => i), ticktext: page.levels.valence }),
    emotions: () => ({ autorange: "reversed", type: "category", showgrid: false }),
    presence: () => ({ range: [2.5, -0.5], tickvals: [0, 1, 2], ticktext: PRESENCE, showgrid: false }),
    waveform: () => ({ range: [-1, 1], tickvals: [0], ticktext: ["sound"], zeroline: false }),
  };
  const contents = {
    sentiment: curve,
    arousal: (axis) => [levels(axis, "arousal")],
    valence: (axis) => [levels(axis, "valence")],
    emotions: (axis) => [emotions(axis)],
    presence: (axis) => [words(axis), voice(axis), face(axis)],
    waveform,
  };

  const figure = () => {
    const room = page.timeline.reduce((sum, row) => sum + row.height + GAP, -GAP);
    const traces = [];
    const layout = {
      ...look(),
      margin: margin(),
      showlegend: false,
      hovermode: "closest",
      hoverdistance: -1,
      dragmode: coarse.matches ? false : "zoom",
      xaxis: {
        ...axisLook(),
        type: "date",
        range: range.map(stamp),
        tickformatstops: [
          { dtickrange: [null, 999], value: "%-M:%S.%1f" },
          { dtickrange: [1000, null], value: duration < 3600 ? "%-M:%S" : "%-H:%M:%S" },
        ],
        minallowed: EPOCH,
        maxallowed: stamp(duration),
      },
    };
    let top = 1;
    page.timeline.forEach(({ kind, height }, i) => {
      const name = i === 0 ? "" : String(i + 1);
      const bottom = Math.max(0, top - height / room);
      layout[`yaxis${name}`] = {
        ...axisLook(),
        fixedrange: true,
        domain: [bottom, top],
        ...axes[kind](),
      };
      if (i === page.timeline.length - 1) layout.xaxis.anchor = `y${name}`;
      traces.push(...contents[kind](`y${name}`));
      top = bottom - GAP / room;
    });
    return [traces, layout];
  };

  const draw = () =>
    charts.draw(frame, ...figure(), { doubleClick: false });

  const zoom = (from, to) => {
    const length = Math.min(Math.max(to - from, 1), duration);
    const start = Math.min(Math.max(0, from), duration - length);
    range = [start, start + length];
    return draw().then(place);
  };

  const zoomBy = (factor) => {
    const middle = inRange(player.time()) ? player.time() : (range[0] + range[1]) / 2;
    const length = (range[1] - range[0]) * factor;
    zoom(middle - length / 2, middle + length / 2);
  };

  const inRange = (time) => time >= range[0] && time <= range[1];

  /** Where a time is, in pixels from the left of the chart. */
  const left = (time) => {
    const { l, r } = margin();
    const width = frame.clientWidth - l - r;
    return l + (Math.min(Math.max((time - range[0]) / (range[1] - range[0]), 0), 1)) * width;
  };

  const playhead = document.getElementById("playhead");
  const bands = {
    playing: document.getElementById("playing-band"),
    chosen: document.getElementById("chosen-band"),
  };

  const place = () => {
    const time = player.time();
    playhead.hidden = !inRange(time);
    playhead.style.left = `${left(time)}px`;
    for (const [kind, band] of Object.entries(bands)) {
      const utterance = utterances[choice.now[kind]];
      band.hidden = !utterance || utterance.end < range[0] || utterance.start > range[1];
      if (band.hidden) continue;
      band.style.left = `${left(utterance.start)}px`;
      band.style.width = `${Math.max(3, left(utterance.end) - left(utterance.start))}px`;
    }
  };

  /** Go to where a click is: the beginning of its utterance, or between two the time itself. */
  const go = (event) => {
    const { l, r } = margin();
    const box = frame.getBoundingClientRect();
    const part = (event.clientX - box.left - l) / (box.width - l - r);
    const time = range[0] + Math.min(Math.max(part, 0), 1) * (range[1] - range[0]);
    const number = page.at(time);
    if (number >= 0) choice.choose(number);
    else player.seek(time);
  };

  draw().then(() => {
    frame.on("plotly_click", ({ event }) => go(event));
    frame.on("plotly_doubleclick", () => zoom(0, duration));
    frame.on("plotly_relayout", (change) => {
      const from = change["xaxis.range[0]"] ?? change["xaxis.range"]?.[0];
      const to = change["xaxis.range[1]"] ?? change["xaxis.range"]?.[1];
      if (from !== undefined && to !== undefined) zoom(seconds(from), seconds(to));
    });
    place();
  });
  document.getElementById("zoom-in").addEventListener("click", () => zoomBy(0.5));
  document.getElementById("zoom-out").addEventListener("click", () => zoomBy(2));
  document.getElementById("zoom-all").addEventListener("click", () => zoom(0, duration));
  window.addEventListener("resize", place);
  narrow.addEventListener("change", () => draw().then(place));
  theme.onChange(() => draw().then(place));
  player.onTime((time) => {
    const length = range[1] - range[0];
    if (!inRange(time) && length < duration) zoom(time - length * 0.1, time + length * 0.9);
    else place();
  });
  choice.onChange(place);
  return { zoom };
})();
