"use strict";
// What the page is about: the JSON inside it, its packed arrays as typed arrays.
const page = (() => {
  const found = JSON.parse(document.getElementById("data").textContent);

  const bytes = unpackBytes;

  /** Read numbers of `size` bytes, little-endian whatever the machine. */
  const numbers = (base64, size) => {
    const raw = new DataView(bytes(base64).buffer);
    const n = raw.byteLength / size;
    return Array.from({ length: n }, (_, i) =>
      size === 2 ? raw.getUint16(2 * i, true) : raw.getUint32(4 * i, true),
    );
  };

  const utterances = found.utterances;

  /** Return the number of the utterance at a time, -1 where there is none. */
  const at = (time) => {
    let low = 0;
    let high = utterances.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (utterances[middle].start <= time + 0.001) low = middle + 1;
      else high = middle;
    }
    // Utterances may overlap: the one that began last is meant.
    for (let i = low - 1; i >= Math.max(0, low - 8); i--) {
      if (time < utterances[i].end) return i;
    }
    return -1;
  };

  const clock = (seconds) => {
    const tenths = Math.round(seconds * 10);
    const rest = `${String(Math.floor(tenths / 10) % 60).padStart(2, "0")}.${tenths % 10}`;
    const minutes = Math.floor(tenths / 600);
    if (minutes < 60) return `${minutes}:${rest}`;
    return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${rest}`;
  };

  const signed = (value, digits = 1) =>
    (value < 0 ? "\u2212" : "+") + Math.abs(value).toFixed(digits);

  /** Whether an emotion, [probability, present, intensity], is taken to be there. */
  const isPresent = ([, present, intensity]) => present ?? (intensity ?? 0) >= 0.5;

  /** How strong it is, to compare it with others of its model. */
  const strength = ([probability, , intensity]) => intensity ?? probability ?? 0;

  const tone = (utterance) => {
    const sentiment = utterance.sentiment;
    if (!sentiment) return "neutral";
    if (["negative", "neutral", "positive"].includes(sentiment.label)) return sentiment.label;
    const value = sentiment.curve ?? 0;
    return Math.abs(value) < 0.5 ? "neutral" : value > 0 ? "positive" : "negative";
  };

  return { ...found, bytes, numbers, at, clock, signed, isPresent, strength, tone };
})();
