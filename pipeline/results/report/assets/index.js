"use strict";
(() => {
  const form = document.getElementById("filters");
  if (!form) return; // A folder without results.
  const data = JSON.parse(document.getElementById("data").textContent);
  const body = document.querySelector("#videos tbody");
  const videos = [...body.rows].map((row) => {
    const found = data.rows[Number(row.dataset.row)];
    const text = `${found.about} ${found.words}`.toLowerCase();
    return { ...found, row, text, link: row.querySelector(".name a, .nolink") };
  });
  const number = new Intl.NumberFormat("en");
  const field = (name) => document.getElementById(`f-${name}`);
  const fields = [...form.querySelectorAll("input, select")];
  const value = (name) => field(name)?.value ?? "";
  const emotions = data.charts.findIndex((chart) => chart.name === "emotions");

  // Filters: each a question to one video.
  const questions = () => {
    const asked = [];
    const words = value("text").toLowerCase().split(/\s+/).filter(Boolean);
    if (words.length) asked.push((v) => words.every((word) => v.text.includes(word)));
    const emotion = value("emotion");
    if (emotion) asked.push((v) => v.counts[emotions][Number(emotion)] > 0);
    const low = field("low").valueAsNumber;
    const high = field("high").valueAsNumber;
    if (!Number.isNaN(low)) asked.push((v) => v.mean !== null && v.mean >= low);
    if (!Number.isNaN(high)) asked.push((v) => v.mean !== null && v.mean <= high);
    const folder = value("folder");
    if (folder) asked.push((v) => v.folder === folder || v.folder.startsWith(`${folder}/`));
    const missing = value("missing");
    if (missing === "none") asked.push((v) => v.missing.every((n) => n === 0));
    else if (missing) asked.push((v) => v.missing[Number(missing)] > 0);
    const model = value("model");
    if (model) asked.push((v) => v.model === Number(model));
    const warned = value("warned");
    if (warned) asked.push((v) => v.warnings.length > 0 === (warned === "yes"));
    return asked;
  };

  let shown = videos;
  const filter = () => {
    const asked = questions();
    shown = [];
    for (const video of videos) {
      const fits = asked.every((question) => question(video));
      video.row.hidden = !fits;
      if (fits) shown.push(video);
    }
    const all = shown.length === videos.length;
    const utterances = shown.reduce((sum, video) => sum + video.utterances, 0);
    const of = all ? "" : ` of ${number.format(videos.length)}`;
    document.getElementById("count").textContent =
      `${number.format(shown.length)}${of} videos, ${number.format(utterances)} utterances`;
    document.getElementById("nothing").hidden = shown.length > 0;
    draw();
  };

  // Charts, of the videos that are shown.
  const drawNow = () => {
    data.charts.forEach((chart, at) => {
      const sums = chart.labels.map(() => 0);
      for (const video of shown) video.counts[at].forEach((n, bar) => (sums[bar] += n));
      indexCharts.bars(document.getElementById(`chart-${chart.name}`), chart, sums);
    });
  };
  let drawing = 0;
  const draw = () => {
    clearTimeout(drawing);
    drawing = setTimeout(drawNow, 60);
  };
  theme.onChange(draw);

  // Order. Ties, and what has no value, stay in order of name: the order of the file.
  const share = (video) => Math.max(...video.missing) / Math.max(1, video.utterances);
  const keys = {
    name: (video) => Number(video.row.dataset.row),
    mean: (video) => video.mean,
    length: (video) => video.length,
    utterances: (video) => video.utterances,
    missing: share,
    model: (video) => video.model,
    warnings: (video) => video.warnings.length,
  };
  const sort = () => {
    const [, descending, name] = /^(-?)(.*)$/.exec(field("sort").value);
    const key = keys[name];
    const sign = descending ? -1 : 1;
    videos.sort((one, other) => {
      const [a, b] = [key(one), key(other)];
      if (a === b) return keys.name(one) - keys.name(other);
      if (a === null || b === null) return a === null ? 1 : -1;
      return sign * (a - b);
    });
    body.append(...videos.map((video) => video.row));
    for (const button of document.querySelectorAll("#videos [data-sort]")) {
      const is = button.dataset.sort === name;
      const order = descending ? "descending" : "ascending";
      button.closest("th").setAttribute("aria-sort", is ? order : "none");
    }
  };
  const ascendingFirst = new Set(["name", "model"]);
  document.querySelector("#videos thead").addEventListener("click", (event) => {
    const name = event.target.closest("[data-sort]")?.dataset.sort;
    if (!name) return;
    const now = field("sort").value;
    const first = ascendingFirst.has(name) ? name : `-${name}`;
    const second = ascendingFirst.has(name) ? `-${name}` : name;
    field("sort").value = now === first ? second : first;
    changed();
  });

  // The address keeps what was asked for, so that Back from a video's page finds it again.
  const remember = () => {
    const set = fields.filter((one) => one.value && one.value !== (one.id === "f-sort" ? "name" : ""));
    const asked = new URLSearchParams(set.map((one) => [one.id.slice(2), one.value]));
    const hash = asked.size ? `#${asked}` : "";
    try {
      history.replaceState(null, "", `${location.pathname}${location.search}${hash}`);
    } catch {
      // Browsers limit how often; the next change will do.
    }
  };
  const recall = () => {
    if (!location.hash.includes("=")) return;
    for (const [name, asked] of new URLSearchParams(location.hash.slice(1))) {
      const one = fields.find((each) => each.id === `f-${name}`);
      if (one) one.value = asked;
      if (one?.selectedIndex === -1) one.selectedIndex = 0; // An address of another folder's index.
    }
  };

  const changed = () => {
    sort();
    filter();
    remember();
  };
  let typing = 0;
  form.addEventListener("input", (event) => {
    clearTimeout(typing);
    const wait = event.target.tagName === "INPUT" ? 120 : 0;
    typing = setTimeout(changed, wait);
  });
  // At once, so that a key that is pressed right after finds all videos.
  const clear = () => {
    clearTimeout(typing);
    form.reset();
    changed();
  };
  document.getElementById("clear").addEventListener("click", clear);
  form.addEventListener("submit", (event) => event.preventDefault());

  // Keys.
  const step = (by) => {
    const order = videos.filter((video) => !video.row.hidden);
    const at = order.findIndex((video) => video.row.contains(document.activeElement));
    const next = at === -1 ? 0 : at + by;
    order[Math.min(Math.max(next, 0), order.length - 1)]?.link.focus();
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const inField = event.target.closest("input, select, textarea");
    if (event.key === "Escape") {
      clear();
    } else if (event.key === "ArrowDown" && event.target === field("text")) {
      step(1);
      event.preventDefault();
    } else if (inField) {
      return;
    } else if (event.key === "/") {
      field("text").focus();
      event.preventDefault();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const inTable = event.target.closest("#videos tbody");
      if (!inTable && event.target !== document.body) return;
      step(event.key === "ArrowDown" ? 1 : -1);
      event.preventDefault();
    }
  });

  // The sentences of a row's warnings are put in when they are asked for.
  body.addEventListener(
    "toggle",
    (event) => {
      const details = event.target;
      if (!details.open || details.querySelector("ul")) return;
      const list = document.createElement("ul");
      for (const which of data.rows[Number(details.closest("tr").dataset.row)].warnings) {
        list.append(Object.assign(document.createElement("li"), { textContent: data.warnings[which] }));
      }
      details.append(list);
    },
    true,
  );

  recall();
  if (field("sort").value !== "name") sort();
  filter();
  const curve = (place) => data.rows[Number(place.closest("tr").dataset.row)].curve;
  indexCharts.sparks(body.querySelectorAll(".spark"), curve);
})();
