// A break, declared on the board: until it ends no machine is stopped because nobody works in it.

import { clock } from "./board-text.js";
import { texts } from "./break-text.js";
import { byId, choice, given, make } from "./dom.js";
import { call } from "./hub-api.js";

const LOOK_MS = 60000;
const MINUTES = [15, 30, 60, 90, 120];

const box = byId("vm-break");
const api = given(box, "api");
let found = { until: 0, is_break: false };
let minutes = 30;

/**
 * @param {string} words
 * @param {() => void} act
 */
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
  const options = MINUTES.map((count) => new Option(t.minutes(count), String(count), false, count === minutes));
  box.replaceChildren(
    choice("vm-break-length", t.length, options, (at) => {
      minutes = MINUTES[at] ?? minutes;
    }),
    button(t.begin, () => change(Date.now() / 1000 + minutes * 60)),
  );
}

/** @param {number} until */
async function change(until) {
  try {
    found = await call(api, "POST", { body: { until } });
    render();
    box.querySelector("button")?.focus();
  } catch (error) {
    console.warn("vmlab:", error);
    box.replaceChildren(make("span", {}, texts().failed));
  }
}

async function look() {
  // Nobody looks, or somebody chooses just now.
  if (document.hidden || box.contains(document.activeElement)) return;
  try {
    found = await call(api);
    render();
  } catch (error) {
    console.warn("vmlab:", error); // the board says that the hub does not answer
  }
}

document.addEventListener("vmlab-language", render);
setInterval(look, LOOK_MS);
look();
