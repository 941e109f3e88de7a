"use strict";
// The table of utterances: sorted, filtered, searched.
const table = (() => {
  const body = document.querySelector("#utterances tbody");
  if (!body) return null;
  const { utterances } = page;
  const rows = [...body.rows];
  const form = document.getElementById("filters");
  const shown = document.getElementById("shown");
  const sortBy = document.getElementById("sort");
  const field = (name) => document.getElementById(`filter-${name}`)?.value ?? "";
  const order = { key: "time", down: false };
  const MODALITIES = ["text", "acoustic", "visual"];

  const haystacks = utterances.map((u) =>
    [
      u.text,
      u.speaker ?? "",
      u.sentiment?.label ?? "",
      ...u.modalities.map(([, reason]) => reason ?? ""),
      ...(u.evidence?.reasons ?? []),
    ]
      .join("\n")
      .toLowerCase(),
  );

  const strongest = (utterance) => {
    const wanted = page.emotions.indexOf(field("emotion"));
    if (!utterance.emotions) return -1;
    if (wanted >= 0) return page.strength(utterance.emotions[wanted]);
    const felt = utterance.emotions.filter(
      (emotion, i) => page.emotions[i] !== "no-emotion" && page.isPresent(emotion),
    );
    return Math.max(-0.5, ...felt.map(page.strength));
  };

  const level = (name) => (utterance) =>
    utterance[name] ? page.levels[name].indexOf(utterance[name].label) : -1;

  const keys = {
    time: (u) => u.start,
    speaker: (u) => (u.speaker ?? "").toLowerCase(),
    text: (u) => u.text.toLowerCase(),
    sentiment: (u) => u.sentiment?.curve ?? u.sentiment?.label ?? -Infinity,
    emotions: strongest,
    arousal: level("arousal"),
    valence: level("valence"),
    evidence: (u) =>
      (u.evidence && !u.evidence.sufficient ? 0 : 10) +
      u.modalities.filter(([there]) => there).length +
      0.5 * (u.modalities[2][2].face_coverage ?? 0),
  };

  const passes = (utterance, number, words) => {
    const evidence = field("evidence");
    const emotion = page.emotions.indexOf(field("emotion"));
    if (words && !haystacks[number].includes(words)) return false;
    if (field("sentiment") && utterance.sentiment?.label !== field("sentiment")) return false;
    if (field("speaker") && utterance.speaker !== field("speaker")) return false;
    if (emotion >= 0 && !(utterance.emotions && page.isPresent(utterance.emotions[emotion]))) {
      return false;
    }
    if (evidence === "enough") return utterance.evidence?.sufficient ?? true;
    if (evidence === "little") return !(utterance.evidence?.sufficient ?? true);
    if (evidence) return !utterance.modalities[MODALITIES.indexOf(evidence.slice(3))][0];
    return true;
  };

  const filter = () => {
    const words = document.getElementById("search").value.trim().toLowerCase();
    let count = 0;
    utterances.forEach((utterance, number) => {
      rows[number].hidden = !passes(utterance, number, words);
      if (!rows[number].hidden) count += 1;
    });
    shown.textContent = `${count} of ${utterances.length}`;
    if (order.key === "emotions") sort();
  };

  const sort = () => {
    const key = keys[order.key];
    const found = utterances.map((utterance, number) => ({ value: key(utterance), number }));
    const sign = order.down ? -1 : 1;
    found.sort((a, b) => {
      if (a.value === b.value) return a.number - b.number;
      return a.value < b.value ? -sign : sign;
    });
    // A row that is moved loses the focus, and with it the keys of the table.
    const focused = body.contains(document.activeElement) ? document.activeElement : null;
    body.append(...found.map(({ number }) => rows[number]));
    focused?.focus({ preventScroll: true });
    for (const button of document.querySelectorAll("#utterances [data-sort]")) {
      const own = button.dataset.sort === order.key;
      const state = own ? (order.down ? "descending" : "ascending") : "none";
      button.closest("th").setAttribute("aria-sort", state);
    }
    sortBy.value = order.key;
  };

  const sortOn = (key, down) => {
    order.key = key;
    order.down = down;
    sort();
  };

  /** Return the numbers of the rows that are shown, as they are shown. */
  const visible = () =>
    [...body.rows].filter((row) => !row.hidden).map((row) => Number(row.dataset.number));

  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", (event) => {
    if (event.target === sortBy) sortOn(sortBy.value, sortBy.value === "emotions");
    else filter();
  });
  // Not the form's own event, which comes before the fields are empty: a key that is pressed right
  // after the click must find all rows shown.
  document.getElementById("clear").addEventListener("click", () => {
    form.reset();
    sortOn("time", false);
    filter();
  });
  for (const button of document.querySelectorAll("#utterances [data-sort]")) {
    button.addEventListener("click", () => {
      const key = button.dataset.sort;
      const strongFirst = key === "emotions";
      sortOn(key, key === order.key ? !order.down : strongFirst);
    });
  }

  const numberOf = (event) => {
    const place = event.target.closest("[data-number]");
    return place ? Number(place.dataset.number) : -1;
  };
  for (const list of [body, document.getElementById("transcript")]) {
    list.addEventListener("click", (event) => {
      // A selection of text is no click.
      if (!String(window.getSelection())) choice.choose(numberOf(event));
    });
    list.addEventListener("dblclick", (event) => choice.choose(numberOf(event), { play: true }));
  }

  // One row at a time can be reached with the tab key: the chosen one.
  let reachable = rows[0];
  choice.onChange((now, event) => {
    if (event.kind !== "chosen") return;
    const inTable = body.contains(document.activeElement);
    reachable.querySelector(".seek").tabIndex = -1;
    reachable = rows[now.chosen];
    reachable.querySelector(".seek").tabIndex = 0;
    if (inTable) reachable.querySelector(".seek").focus({ preventScroll: true });
  });

  // A browser that goes back to the page may have kept what was typed.
  filter();
  return { visible };
})();
