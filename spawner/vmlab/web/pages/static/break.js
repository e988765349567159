// A break, declared on the board: until it ends no machine is stopped because nobody works in it.

import { clock } from "./board-text.js";
import { call } from "./dialog.js";
import { make } from "./dom.js";

const LOOK_MS = 60000;
const MINUTES = [15, 30, 60, 90, 120];

const TEXTS = {
  en: {
    length: "Break",
    minutes: (n) => `${n} minutes`,
    begin: "Declare a break",
    on: (until) => `Break until ${until}: no idle machine is stopped.`,
    end: "End the break",
    failed: "The break could not be changed. Reload the page and try again.",
  },
  fr: {
    length: "Pause",
    minutes: (n) => `${n} minutes`,
    begin: "Déclarer une pause",
    on: (until) => `Pause jusqu'à ${until}\u202f: aucune machine inactive n'est arrêtée.`,
    end: "Terminer la pause",
    failed: "La pause n'a pas pu être changée. Rechargez la page et réessayez.",
  },
};

const box = document.getElementById("vm-break");
const texts = () => TEXTS[window.vmlab.language()] || TEXTS.en;
let found = { until: 0, is_break: false };
let minutes = MINUTES[1];

function button(words, act) {
  const made = make("button", { type: "button", class: "btn btn-sm btn-outline-secondary" }, words);
  made.addEventListener("click", act);
  return made;
}

function render() {
  const t = texts();
  if (found.is_break) {
    box.replaceChildren(make("span", {}, t.on(clock(found.until))), button(t.end, () => change(0)));
    return;
  }
  const id = "vm-break-length";
  const select = make("select", { id, class: "form-select form-select-sm" });
  for (const count of MINUTES) select.append(new Option(t.minutes(count), count, false, count === minutes));
  select.addEventListener("change", () => {
    minutes = Number(select.value);
  });
  box.replaceChildren(
    make("div", { class: "vm-choice" }, make("label", { for: id }, t.length), select),
    button(t.begin, () => change(Date.now() / 1000 + minutes * 60)),
  );
}

async function change(until) {
  try {
    found = await call(box.dataset.api, "POST", { until });
    render();
    box.querySelector("button").focus();
  } catch (error) {
    console.warn("vmlab:", error);
    box.replaceChildren(make("span", {}, texts().failed));
  }
}

async function look() {
  // Nobody looks, or somebody chooses just now.
  if (document.hidden || box.contains(document.activeElement)) return;
  try {
    found = await call(box.dataset.api, "GET");
    render();
  } catch (error) {
    console.warn("vmlab:", error); // the board says that the hub does not answer
  }
}

document.addEventListener("vmlab-language", render);
setInterval(look, LOOK_MS);
look();
