"use strict";
// Which utterance is chosen and which is playing; everything on the page that shows one follows.
const choice = (() => {
  const places = new Map(); // number of an utterance -> its elements
  const listeners = [];
  const now = { chosen: -1, playing: -1 };

  for (const element of document.querySelectorAll("[data-number]")) {
    const number = Number(element.dataset.number);
    if (!places.has(number)) places.set(number, []);
    places.get(number).push(element);
  }

  /** Scroll the frame an element is in, not the page, so that it can be seen. */
  const reveal = (element) => {
    const frame = element.closest(".scroll");
    if (!frame || element.hidden) return;
    const head = frame.querySelector("thead")?.offsetHeight ?? 0;
    const outer = frame.getBoundingClientRect();
    const inner = element.getBoundingClientRect();
    if (inner.top < outer.top + head) {
      frame.scrollTop += inner.top - outer.top - head - 8;
    } else if (inner.bottom > outer.bottom) {
      frame.scrollTop += inner.bottom - outer.bottom + 8;
    }
  };

  const set = (kind, number) => {
    const before = now[kind];
    if (before === number) return false;
    now[kind] = number;
    for (const element of places.get(before) ?? []) {
      element.classList.remove(kind);
      if (kind === "chosen") element.removeAttribute("aria-current");
    }
    for (const element of places.get(number) ?? []) {
      element.classList.add(kind);
      if (kind === "chosen") element.setAttribute("aria-current", "true");
      reveal(element);
    }
    return true;
  };

  const tell = (event) => {
    for (const listener of listeners) listener(now, event);
  };

  /** Choose an utterance; the recording goes to its beginning. */
  const choose = (number, { seek = true, play = false } = {}) => {
    if (number < 0 || number >= page.utterances.length) return;
    const changed = set("chosen", number);
    if (seek) tell({ kind: "seek", time: page.utterances[number].start, play });
    if (changed) tell({ kind: "chosen" });
  };

  /** Say where the recording is. */
  const playingAt = (time) => {
    if (set("playing", page.at(time))) tell({ kind: "playing" });
  };

  return { choose, playingAt, now, onChange: (listener) => listeners.push(listener) };
})();
