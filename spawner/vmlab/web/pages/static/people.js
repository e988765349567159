// The list below the board: everybody whom the reader may see, with role and machine.

import { duration, texts } from "./board-text.js";
import { nameCell, stateParts } from "./board-cells.js";
import { make } from "./dom.js";
import { KeptRows } from "./kept-rows.js";
import { start, startAll, stop, stopAll } from "./people-actions.js";
import { canStart, canStop, find, hasNone } from "./people-model.js";
import { peopleTexts } from "./people-text.js";
import { poll } from "./poll.js";

const byId = (id) => document.getElementById(`vm-people${id}`);

let answer = null;
let letters = "";
let rows = null;
let askNow = () => {};

/** Show the list, or hide it while names are hidden. */
export function showPeople(isShown) {
  document.getElementById("vm-admin-page").hidden = !isShown;
  document.getElementById("vm-admin-hidden").hidden = isShown;
}

// -- what is pressed -------------------------------------------------------------------------

const ACTS = { start: pressStart, stop: pressStop };

function press(event) {
  const act = event.target.closest("button[data-act]")?.dataset.act;
  const key = event.target.closest("tr").dataset.key;
  const row = answer.people.find((one) => keyOf(one) === key);
  if (act && row) once(key, () => ACTS[act](row));
}

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

const busy = new Set();

/** Do something that takes a while; pressed again meanwhile, it is not done twice. */
async function once(key, act) {
  if (busy.has(key)) return;
  busy.add(key);
  try {
    await act();
  } finally {
    busy.delete(key);
  }
}

const tell = (words) => {
  if (byId("-status").textContent !== words) byId("-status").textContent = words;
};

// -- what is shown ---------------------------------------------------------------------------

const keyOf = (row) => JSON.stringify([row.user, row.server]);
const nameOf = (row) => (row.server ? `${row.user} / ${row.server}` : row.user);

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
  byId("-controls").replaceChildren(
    make("div", { class: "vm-choice" }, label, search),
    count,
    allButton("start-all", "btn-outline-secondary", () => startAll(answer.people.filter(canStart))),
    allButton("stop-all", "btn-outline-danger", pressStopAll),
  );
  const body = make("tbody", { role: "rowgroup" });
  body.addEventListener("click", press);
  rows = new KeptRows(body);
  const header = (words) => make("th", { scope: "col", role: "columnheader" }, words);
  const titles = [t.name, t.role, t.machine, t.seen, t.actions].map(header);
  byId("-table").replaceChildren(
    make(
      "table",
      { class: "table vm-table vm-cards", role: "table" },
      make("caption", { class: "visually-hidden" }, t.caption),
      make("thead", { role: "rowgroup" }, make("tr", { role: "row" }, ...titles)),
      body,
    ),
  );
}

function allButton(id, style, act) {
  const attributes = { type: "button", id: `vm-${id}`, class: `btn btn-sm ${style}`, "aria-haspopup": "dialog" };
  const button = make("button", { ...attributes, hidden: true });
  button.addEventListener("click", () => once(id, act));
  return button;
}

function render() {
  if (!answer) return;
  const t = peopleTexts();
  const { people } = answer;
  const shown = find(people, letters);
  const count = letters.trim() ? (shown.length ? t.shown(shown.length, people.length) : t.nobody) : "";
  if (byId("-count").textContent !== count) byId("-count").textContent = count;
  showAllButton("vm-start-all", people.filter(canStart).length, t.startAll);
  showAllButton("vm-stop-all", people.filter(canStop).length, t.stopAll);
  rows.show(shown.map(personRow));
}

function showAllButton(id, count, words) {
  const button = document.getElementById(id);
  button.hidden = !count;
  button.textContent = words(count);
}

function personRow(row) {
  const t = peopleTexts();
  const cell = (className, ...content) => make("td", { role: "cell", class: className }, ...content);
  const seen = row.active ? t.ago(duration(Math.max(0, answer.now - row.active))) : t.never;
  return {
    key: keyOf(row),
    class: `vm-role-${row.role}`,
    data: { key: keyOf(row) },
    cells: [
      nameCell(nameOf(row)),
      cell("vm-role", t.roles[row.role] || row.role),
      cell("vm-machine", ...(hasNone(row) ? [t.noMachine] : stateParts(row))),
      cell("vm-seen", make("span", { class: "vm-in-card" }, texts().labelled(t.seen, "")), seen),
      cell("vm-actions", ...actions(row)),
    ],
  };
}

function actions(row) {
  const t = peopleTexts();
  const button = (act, words, label, more = {}) =>
    make(
      "button",
      { type: "button", class: "btn btn-sm btn-outline-secondary", "data-act": act, "aria-label": label, ...more },
      words,
    );
  const found = [];
  if (row.url) found.push(openButton(row));
  if (canStart(row)) found.push(button("start", t.start, t.startOf(nameOf(row))));
  if (canStop(row)) {
    found.push(button("stop", t.stop, t.stopOf(nameOf(row)), { "aria-haspopup": "dialog" }));
  }
  return found;
}

function openButton(row) {
  const t = peopleTexts();
  const where = { href: row.url, target: "_blank", rel: "noopener", "data-act": "open" };
  const words = { class: "btn btn-sm btn-outline-secondary", "aria-label": t.openOf(nameOf(row)) };
  return make("a", { ...where, ...words }, t.open);
}

build();
askNow = poll(() => byId("").dataset.api, {
  data(found) {
    answer = found;
    if (byId("-status").textContent === peopleTexts().lost) tell("");
    render();
  },
  lost: () => tell(peopleTexts().lost),
  refused: () => {}, // the board says so
  paused: () => {},
});
document.addEventListener("vmlab-language", () => {
  build();
  render();
});
