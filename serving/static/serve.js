"use strict";
// Uploads, live progress, and keeping the keyboard's place when an entry of the list is replaced.
const main = document.getElementById("main");
const list = document.getElementById("list");
const uploads = document.getElementById("uploads");
const picker = document.getElementById("video");
const stages = JSON.parse(main.dataset.stages);
let maxBytes = Number(main.dataset.maxBytes);
const AT_ONCE = 2;
const BESIDE = [".srt", ".vtt", ".json", ".eaf", ".textgrid", ".txt", ".rttm"];

const say = (text) => {
  document.getElementById("said").textContent = text;
};

/* The list. */

const entryOf = (id) => document.getElementById(`job-${id}`);

/** Replace a part of the page, and go back to the control that had the keyboard. */
const replace = (change) => {
  const active = document.activeElement;
  const action = active?.dataset?.action;
  const id = active?.closest?.("[data-id]")?.dataset.id;
  change();
  if (action && id && !active.isConnected) {
    const entry = entryOf(id);
    const same = entry?.querySelector(`[data-action="${action}"]`);
    (same ?? entry?.querySelector("[data-action]") ?? picker).focus();
  }
};

const parsed = (html) => {
  const template = document.createElement("template");
  template.innerHTML = html; // of this server, which escapes all text of users
  return template.content;
};

const refreshAll = async () => {
  const answer = await fetch("/list");
  if (!answer.ok) return;
  const content = parsed(await answer.text());
  replace(() => list.replaceChildren(content));
};

const refresh = async (id) => {
  const answer = await fetch(`/jobs/${id}/entry`);
  const old = entryOf(id);
  if (!answer.ok || !old) return refreshAll();
  const entry = parsed(await answer.text()).firstElementChild;
  replace(() => entryOf(id)?.replaceWith(entry));
};

const showStage = (event) => {
  const entry = entryOf(event.target.split("/")[0]);
  const bar = entry?.querySelector("progress");
  if (!bar || event.state === "failed") return;
  const percent = Math.round(100 * (event.state === "started" ? 0 : event.fraction));
  bar.value = percent;
  entry.querySelector(".stage").textContent = stages[event.stage] ?? event.stage;
  entry.querySelector(".percent").textContent = `${percent} %`;
};

list.addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const entry = form.closest("[data-id]");
  const title = entry.querySelector("h3").textContent;
  if (form.action.endsWith("/retry")) {
    await fetch(form.action, { method: "POST" });
    return refresh(entry.dataset.id);
  }
  if (!window.confirm(`Delete ${title}, with its results?`)) return;
  const next = entry.nextElementSibling ?? entry.previousElementSibling;
  const nextId = next?.dataset.id;
  await fetch(form.action, { method: "POST" });
  await refreshAll();
  (entryOf(nextId)?.querySelector('[data-action="delete"]') ?? picker).focus();
});

/* What happens, as it happens. A page that nobody sees need not listen. */

const connection = document.getElementById("connection");
let source = null;

const listen = () => {
  if (document.hidden || source) return;
  source = new EventSource("/events");
  source.addEventListener("open", () => {
    connection.hidden = true;
    refreshAll();
  });
  source.addEventListener("error", () => {
    connection.textContent = "The server does not answer; trying again.";
    connection.hidden = false;
    if (source?.readyState === EventSource.CLOSED) {
      source = null;
      setTimeout(listen, 5000);
    }
  });
  source.addEventListener("message", (message) => {
    const event = JSON.parse(message.data);
    if (event.event === "stage") showStage(event);
  });
  source.addEventListener("change", (message) => {
    const { id, change, said } = JSON.parse(message.data);
    if (said) say(said);
    if (change === "changed") refresh(id);
    else refreshAll();
  });
};

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) listen();
  else if (source) {
    source.close();
    source = null;
  }
});
window.addEventListener("pagehide", () => source?.close());

/* Uploads. */

const waiting = [];
let running = 0;

const suffixOf = (name) => (/\.[^.]*$/.exec(name)?.[0] ?? "").toLowerCase();
const stemOf = (name) => name.slice(0, name.length - suffixOf(name).length);
const isBeside = (file) => BESIDE.includes(suffixOf(file.name));

/** Whether "talk.srt" or "talk.en.srt" belongs to "talk.mp4". */
const belongs = (beside, video) => {
  const [stem, own] = [stemOf(beside.name), stemOf(video.name)];
  return stem === own || (stem.startsWith(`${own}.`) && /^\.[A-Za-z]{2,3}(-\w+)*$/.test(stem.slice(own.length)));
};

const bestOf = (files) =>
  files.sort(
    (a, b) =>
      BESIDE.indexOf(suffixOf(a.name)) - BESIDE.indexOf(suffixOf(b.name)) ||
      a.name.length - b.name.length ||
      (a.name < b.name ? -1 : 1),
  )[0];

const addEntry = (title) => {
  const entry = document.getElementById("upload-entry").content.firstElementChild.cloneNode(true);
  entry.querySelector("h3").textContent = title;
  entry.querySelector("progress").setAttribute("aria-label", `Upload of ${title}`);
  uploads.append(entry);
  return entry;
};

const refuse = (entry, sentence) => {
  entry.querySelector("progress").hidden = true;
  const badge = entry.querySelector(".badge");
  badge.textContent = "refused";
  badge.classList.add("failed");
  const outcome = entry.querySelector(".outcome");
  outcome.textContent = sentence;
  outcome.className = "warning";
  outcome.hidden = false;
  const button = entry.querySelector("button");
  button.textContent = "Dismiss";
  button.onclick = () => {
    entry.remove();
    picker.focus();
  };
  const title = entry.querySelector("h3").textContent;
  say(sentence.startsWith(title) ? sentence : `${title}: ${sentence}`);
};

const sentenceOf = (request) => {
  try {
    return JSON.parse(request.responseText).error;
  } catch {
    return `The server answered ${request.status}.`;
  }
};

const send = ({ entry, video, transcript, diarisation }) =>
  new Promise((resolve) => {
    const form = new FormData();
    if (transcript) form.append("transcript", transcript, transcript.name);
    if (diarisation) form.append("diarisation", diarisation, diarisation.name);
    form.append("video", video, video.name);
    const request = new XMLHttpRequest();
    const bar = entry.querySelector("progress");
    request.upload.onprogress = (event) => {
      if (!event.lengthComputable) return;
      bar.value = (100 * event.loaded) / event.total;
      if (event.loaded === event.total) {
        bar.removeAttribute("value");
        entry.querySelector(".badge").textContent = "being looked into";
      }
    };
    request.onload = async () => {
      if (request.status === 201) {
        await refreshAll();
        entry.remove();
      } else refuse(entry, sentenceOf(request));
    };
    request.onerror = () => refuse(entry, "The upload was broken off: is the server still there?");
    request.onabort = () => entry.remove();
    request.onloadend = resolve;
    entry.querySelector("button").onclick = () => request.abort();
    request.open("POST", "/jobs");
    request.setRequestHeader("Accept", "application/json");
    request.send(form);
  });

const sendNext = () => {
  while (running < AT_ONCE && waiting.length) {
    const upload = waiting.shift();
    if (!upload.entry.isConnected) continue;
    running += 1;
    send(upload).then(() => {
      running -= 1;
      sendNext();
    });
  }
};

const take = (files) => {
  const beside = files.filter(isBeside);
  const videos = files.filter((file) => !isBeside(file));
  for (const video of videos) {
    const entry = addEntry(video.name);
    const own = beside.filter((file) => belongs(file, video));
    const transcript = bestOf(own.filter((file) => suffixOf(file.name) !== ".rttm"));
    const diarisation = bestOf(own.filter((file) => suffixOf(file.name) === ".rttm"));
    entry.querySelector("button").onclick = () => entry.remove();
    if (video.size > maxBytes) {
      refuse(entry, `The file is larger than ${main.dataset.maxSize}, the limit here (--max-upload).`);
    } else waiting.push({ entry, video, transcript, diarisation });
  }
  for (const file of beside) {
    if (!videos.some((video) => belongs(file, video))) {
      refuse(addEntry(file.name), "Choose it together with its video, which must have the same name.");
    }
  }
  sendNext();
};

picker.multiple = true;
picker.required = false;
picker.accept = ["video/*", "audio/*", ".mkv", ".mts", ".mxf", ".flv", ...BESIDE].join(",");
document.getElementById("drop-hint").hidden = false;
picker.addEventListener("change", () => {
  take([...picker.files]);
  picker.value = "";
});
document.getElementById("upload").addEventListener("submit", (event) => event.preventDefault());

let depth = 0;
const isOfFiles = (event) => event.dataTransfer?.types.includes("Files");
window.addEventListener("dragenter", (event) => {
  if (!isOfFiles(event)) return;
  depth += 1;
  document.body.classList.add("over");
});
window.addEventListener("dragleave", () => {
  depth = Math.max(0, depth - 1);
  if (!depth) document.body.classList.remove("over");
});
window.addEventListener("dragover", (event) => {
  if (isOfFiles(event)) event.preventDefault();
});
window.addEventListener("drop", (event) => {
  if (!isOfFiles(event)) return;
  event.preventDefault();
  depth = 0;
  document.body.classList.remove("over");
  const items = [...event.dataTransfer.items].filter((item) => item.kind === "file");
  const files = [];
  for (const item of items) {
    const file = item.getAsFile();
    if (item.webkitGetAsEntry?.()?.isDirectory) {
      refuse(addEntry(file?.name ?? "folder"), "This is a folder: drop the files in it.");
    } else if (file) files.push(file);
  }
  take(files);
});
window.addEventListener("beforeunload", (event) => {
  if (running || waiting.length) event.preventDefault();
});

listen();
