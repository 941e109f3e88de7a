"use strict";
// The keyboard: as the page's own list of keys says.
(() => {
  const help = document.getElementById("help");
  const search = document.getElementById("search");
  document.getElementById("help-switch").addEventListener("click", () => help.showModal());

  const move = (by) => {
    const numbers = table?.visible() ?? [];
    if (!numbers.length) return;
    const place = numbers.indexOf(choice.now.chosen);
    const next = place < 0 ? 0 : Math.min(Math.max(place + by, 0), numbers.length - 1);
    choice.choose(numbers[next]);
  };

  const anywhere = {
    j: () => move(1),
    k: () => move(-1),
    w: () => document.getElementById("why")?.scrollIntoView(),
    "/": () => search?.focus(),
    "?": () => help.showModal(),
    ArrowLeft: () => player.seek(player.time() - 2),
    ArrowRight: () => player.seek(player.time() + 2),
  };
  const inLists = {
    ArrowDown: () => move(1),
    ArrowUp: () => move(-1),
    Home: () => move(-Infinity),
    End: () => move(Infinity),
  };

  document.addEventListener("keydown", (event) => {
    const { target, key } = event;
    if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
    if (target === search && key === "Escape") {
      search.blur();
      return;
    }
    // Fields and the player's own controls keep their keys.
    if (target.closest("input, select, textarea, video")) return;
    const list = target.closest("#table-frame, #transcript");
    const pressable = target.closest("button, summary, a");
    let act = anywhere[key] ?? (list ? inLists[key] : undefined);
    if (key === " " && !pressable) act = () => player.toggle();
    if (key === "Enter" && (!pressable || list) && choice.now.chosen >= 0) {
      act = () => choice.choose(choice.now.chosen, { play: true });
    }
    if (!act) return;
    event.preventDefault();
    act();
  });

  if (choice.now.chosen < 0) choice.choose(0, { seek: false });
})();
