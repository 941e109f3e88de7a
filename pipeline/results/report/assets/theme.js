"use strict";
// Runs before anything is painted, so that a chosen theme does not flash over the other.
const theme = (() => {
  const key = "affect-pipe-theme";
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const listeners = [];
  let chosen = null;
  try {
    chosen = window.localStorage.getItem(key);
  } catch {
    // A page on the disk may have no storage: the system's theme holds.
  }

  const dark = () => (chosen ?? (system.matches ? "dark" : "light")) === "dark";

  const apply = () => {
    document.documentElement.dataset.theme = dark() ? "dark" : "light";
    const button = document.getElementById("theme-switch");
    if (button) button.setAttribute("aria-pressed", String(dark()));
    for (const listener of listeners) listener();
  };

  const toggle = () => {
    chosen = dark() ? "light" : "dark";
    try {
      window.localStorage.setItem(key, chosen);
    } catch {
      // As above: it holds until the page is closed.
    }
    apply();
  };

  /** Return the value of a colour of theme.css, as charts need it. */
  const colour = (name) =>
    getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

  system.addEventListener("change", apply);
  apply();
  document.addEventListener("DOMContentLoaded", () => {
    apply();
    document.getElementById("theme-switch")?.addEventListener("click", toggle);
  });
  return { colour, dark, onChange: (listener) => listeners.push(listener) };
})();
