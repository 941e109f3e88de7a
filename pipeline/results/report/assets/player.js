"use strict";
// The recording: an embedded preview, a linked file, or none.
const player = (() => {
  const video = document.getElementById("video");
  const problem = document.getElementById("player-problem");
  const nowText = document.getElementById("now-text");
  const nowFound = document.getElementById("now-found");
  const listeners = [];
  let running = false;
  let last = 0;

  const time = () => (video ? video.currentTime : last);

  const tell = () => {
    choice.playingAt(time());
    for (const listener of listeners) listener(time());
  };

  const seek = (to) => {
    last = Math.max(0, Math.min(to, page.duration));
    if (video) {
      // A little inside: a frame stamped at the very start may belong to what was before.
      video.currentTime = last + 0.001;
    } else {
      tell();
    }
  };

  const play = () => {
    // Browsers refuse where they take it for unasked; the controls then show that it is paused.
    video?.play().catch(() => {});
  };

  const toggle = () => {
    if (!video) return;
    if (video.paused) play();
    else video.pause();
  };

  const follow = () => {
    tell();
    if (running) requestAnimationFrame(follow);
  };

  const describe = (number) => {
    if (!nowText) return;
    const utterance = page.utterances[number];
    nowText.textContent = utterance
      ? (utterance.speaker ? `${utterance.speaker}: ` : "") + (utterance.text || "(no words)")
      : "\u00a0";
    nowFound.textContent = utterance ? inWords(utterance) || "\u00a0" : "\u00a0";
  };

  /** Say in a line what an utterance is taken for. */
  const inWords = (utterance) => {
    const parts = [];
    const { sentiment } = utterance;
    if (sentiment) {
      const value = sentiment.intensity === null ? "" : page.signed(sentiment.intensity);
      parts.push(`${sentiment.label ?? "sentiment"} ${value}`.trim());
    }
    (utterance.emotions ?? [])
      .map((emotion, i) => [page.emotions[i], emotion])
      .filter(([, emotion]) => page.isPresent(emotion))
      .sort((a, b) => page.strength(b[1]) - page.strength(a[1]))
      .forEach(([name, [probability, , intensity]]) => {
        const how = intensity === null ? `${Math.round(100 * probability)}%` : intensity.toFixed(1);
        parts.push(name === "no-emotion" ? name : `${name} ${how}`);
      });
    for (const part of ["arousal", "valence"]) {
      if (utterance[part]) parts.push(`${part} ${utterance[part].label}`);
    }
    if (utterance.evidence && !utterance.evidence.sufficient) parts.push("low evidence");
    return parts.join(" \u00b7 ");
  };

  if (video) {
    const preview = document.getElementById("preview");
    if (preview) {
      const file = new Blob([page.bytes(preview.textContent)], { type: "video/mp4" });
      video.src = URL.createObjectURL(file);
      preview.remove();
    }
    video.addEventListener("play", () => {
      running = true;
      follow();
    });
    for (const event of ["pause", "ended"]) {
      video.addEventListener(event, () => {
        running = false;
        tell();
      });
    }
    for (const event of ["seeking", "seeked", "timeupdate"]) video.addEventListener(event, tell);
    video.addEventListener("error", () => {
      problem.hidden = false;
      video.hidden = true;
    });
    // It may have failed before anybody listened.
    if (video.error) video.dispatchEvent(new Event("error"));
  }

  choice.onChange((now, event) => {
    if (event.kind === "seek") {
      seek(event.time);
      if (event.play) play();
    }
    if (event.kind === "playing") describe(now.playing);
  });

  return { seek, play, toggle, time, inWords, onTime: (listener) => listeners.push(listener) };
})();
