// The list below the board: everybody whom the reader may see, with role and machine.

import { nameCell, openLink, stateParts } from "./board-cells.js";
import { cardTable, columnHeader } from "./card-table.js";
import { around, byId, given, make } from "./dom.js";
import { KeptRows } from "./kept-rows.js";
import { start, startAll, stop, stopAll } from "./people-actions.js";
import { canStart, canStop, find, hasNone } from "./people-model.js";
import { texts as boardTexts } from "./board-text.js";
import { foundWords, peopleTexts, roleWords, seenWords } from "./people-text.js";
import { poll } from "./poll.js";
import { keyOf, nameOf } from "./seat.js";

/** @import { People, Person } from "../types" */
/** @import { Attributes } from "./dom.js" */
/** @import { Item } from "./kept-rows.js" */

const list = byId("vm-people");
const status = byId("vm-people-status");

/** @type {People} */
let answer = { now: 0, people: [] };
let hasAnswer = false;
let letters = "";
let rows = new KeptRows(make("tbody"));
let askNow = () => {};

/**
 * Show the list, or hide it while names are hidden.
 * @param {boolean} isShown
 */
export function showPeople(isShown) {
  byId("vm-admin-page").hidden = !isShown;
  byId("vm-admin-hidden").hidden = isShown;
}

// -- what is pressed -------------------------------------------------------------------------

/** @param {Event} event */
function press(event) {
  const act = around(event, "button[data-act]")?.dataset.act;
  const key = around(event, "tr")?.dataset.key;
  const row = answer.people.find((one) => keyOf(one) === key);
  if (!key || !row) return;
  if (act === "start") once(key, () => pressStart(row));
  else if (act === "stop") once(key, () => pressStop(row));
}

/** @param {Person} row */
async function pressStart(row) {
  try {
    await start(row);
    tell("");
  } catch (error) {
    console.warn("vmlab:", error);
    tell(peopleTexts().failed(nameOf(row)));
  }
  askNow();
}

/** @param {Person} row */
async function pressStop(row) {
  tell(peopleTexts().asking);
  await stop(row, nameOf(row));
  tell("");
}

async function pressStopAll() {
  tell(peopleTexts().asking);
  await stopAll(answer.people.filter(canStop));
  tell("");
}

/** @type {Set<string>} */
const busy = new Set();

/**
 * Do something that takes a while; pressed again meanwhile, it is not done twice.
 * @param {string} key
 * @param {() => void | Promise<void>} act
 */
async function once(key, act) {
  if (busy.has(key)) return;
  busy.add(key);
  try {
    await act();
  } finally {
    busy.delete(key);
  }
}

/** @param {string} words */
const tell = (words) => write(status, words);

/**
 * Write words; the same ones are not read aloud again.
 * @param {HTMLElement} element
 * @param {string} words
 */
function write(element, words) {
  if (element.textContent !== words) element.textContent = words;
}

// -- what is shown ---------------------------------------------------------------------------

function build() {
  const t = peopleTexts();
  const kind = { type: "search", id: "vm-people-find", class: "form-control form-control-sm" };
  const search = make("input", { ...kind, value: letters });
  search.addEventListener("input", () => {
    letters = search.value;
    render();
  });
  const label = make("label", { for: "vm-people-find" }, t.find);
  const count = make("span", { id: "vm-people-count", role: "status", class: "text-body-secondary small" });
  byId("vm-people-controls").replaceChildren(
    make("div", { class: "vm-choice" }, label, search),
    count,
    allButton("start-all", "btn-outline-secondary", () => startAll(answer.people.filter(canStart))),
    allButton("stop-all", "btn-outline-danger", pressStopAll),
  );
  const body = make("tbody", { role: "rowgroup" });
  body.addEventListener("click", press);
  rows = new KeptRows(body);
  const titles = [t.name, t.role, t.machine, t.seen, t.actions].map((words) => columnHeader(words));
  byId("vm-people-table").replaceChildren(cardTable(t.caption, [make("tr", { role: "row" }, ...titles)], body));
}

/**
 * @param {string} id
 * @param {string} style
 * @param {() => void | Promise<void>} act
 */
function allButton(id, style, act) {
  const attributes = { type: "button", id: `vm-${id}`, class: `btn btn-sm ${style}`, "aria-haspopup": "dialog" };
  const button = make("button", { ...attributes, hidden: true });
  button.addEventListener("click", () => once(id, act));
  return button;
}

function render() {
  if (!hasAnswer) return;
  const t = peopleTexts();
  const { people } = answer;
  const shown = find(people, letters);
  write(byId("vm-people-count"), letters.trim() ? foundWords(shown.length, people.length) : "");
  showAllButton("vm-start-all", people.filter(canStart).length, t.startAll);
  showAllButton("vm-stop-all", people.filter(canStop).length, t.stopAll);
  rows.show(shown.map(personRow));
}

/**
 * @param {string} id
 * @param {number} count
 * @param {(count: number) => string} words
 */
function showAllButton(id, count, words) {
  const button = byId(id);
  button.hidden = !count;
  button.textContent = words(count);
}

/**
 * @param {Person} row
 * @returns {Item}
 */
function personRow(row) {
  const t = peopleTexts();
  const seen = seenWords(row.active, answer.now);
  return {
    key: keyOf(row),
    class: `vm-role-${row.role}`,
    data: { key: keyOf(row) },
    cells: [
      nameCell(nameOf(row)),
      cell("vm-role", roleWords(row.role)),
      cell("vm-machine", ...(hasNone(row) ? [t.noMachine] : stateParts(row))),
      cell("vm-seen", make("span", { class: "vm-in-card" }, boardTexts().labelled(t.seen, "")), seen),
      cell("vm-actions", ...actions(row)),
    ],
  };
}

/**
 * @param {string} className
 * @param {(Node | string)[]} content
 */
function cell(className, ...content) {
  return make("td", { role: "cell", class: className }, ...content);
}

const BUTTON = "btn btn-sm btn-outline-secondary";

/** @param {Person} row */
function actions(row) {
  const t = peopleTexts();
  const button = (/** @type {string} */ words, /** @type {Attributes} */ attributes) =>
    make("button", { type: "button", class: BUTTON, ...attributes }, words);
  const found = [];
  if (row.url) found.push(openLink(row, { class: BUTTON }));
  if (canStart(row)) {
    found.push(button(t.start, { "data-act": "start", "aria-label": t.startOf(nameOf(row)) }));
  }
  if (canStop(row)) {
    const words = { "aria-label": t.stopOf(nameOf(row)), "aria-haspopup": "dialog" };
    found.push(button(t.stop, { "data-act": "stop", ...words }));
  }
  return found;
}

build();
askNow = poll(() => given(list, "api"), {
  data(/** @type {People} */ found) {
    answer = found;
    hasAnswer = true;
    if (status.textContent === peopleTexts().lost) tell("");
    render();
  },
  lost: () => tell(peopleTexts().lost), // of a refusal the board tells
});
document.addEventListener("vmlab-language", () => {
  build();
  render();
});
