// The board of the admin page: asks the hub every few seconds and shows who is where.

import { icon, make, recall, remember } from "./dom.js";
import {
  DEFAULT_THRESHOLD,
  SORTS,
  THRESHOLDS,
  countKinds,
  describeRows,
  sortRows,
} from "./board-model.js";
import { BoardTable } from "./board-table.js";
import { clock, duration, localized, texts } from "./board-text.js";
import { showPeople } from "./people.js";
import { poll } from "./poll.js";
import { renew } from "./renew.js";

const SPOKEN_PERIOD_MS = 15000;
const KIND_ICONS = {
  stuck: "failed",
  working: "running",
  changing: "starting",
  finished: "passed",
  off: "stopped",
};

const byId = (id) => document.getElementById(`vm-board${id}`);

const view = {
  sort: SORTS.includes(recall("sort", "")) ? recall("sort", "") : "stuck",
  threshold: Number(recall("threshold", DEFAULT_THRESHOLD)),
  areNamesHidden: recall("hide-names", "") === "yes",
  course: recall("course", ""),
};
if (!THRESHOLDS.includes(view.threshold)) view.threshold = DEFAULT_THRESHOLD;

let board = null;
let status = { kind: "loading", wait: 0 };
let spokenAt = -SPOKEN_PERIOD_MS;

const table = new BoardTable(byId("-table"), {
  sort: (sort) => change("sort", sort),
  renew(user, name) {
    const url = new URL(`machines/${encodeURIComponent(user)}/renew`, new URL(byId("").dataset.api, location.href));
    renew(url, { name, started: () => askNow() });
  },
});

function change(key, value) {
  view[key] = value;
  const kept = { areNamesHidden: ["hide-names", value ? "yes" : "no"] }[key] || [key, value];
  remember(...kept);
  controls();
  render();
  if (key === "course") askNow();
}

/** The course that was chosen and has not come yet, if there is one. */
function awaited() {
  if (!board || !view.course || board.course?.name === view.course) return null;
  return board.courses.find(({ name }) => name === view.course) || null;
}

// -- parts of the page -----------------------------------------------------------------------

function controls() {
  const t = texts();
  const held = document.activeElement && document.activeElement.id;
  const parts = [
    select("sort", t.sort, SORTS.map((s) => [s, t.sorts[s]]), view.sort),
    select("threshold", t.threshold, THRESHOLDS.map((m) => [m, t.minutes(m)]), view.threshold, Number),
  ];
  if (board && board.courses.length > 1) {
    const courses = board.courses.map((c) => [c.name, localized(c.title)]);
    parts.unshift(select("course", t.chooseCourse, courses, awaited()?.name || board.course.name));
  }
  const box = make("input", {
    type: "checkbox",
    role: "switch",
    id: "vm-hide-names",
    class: "form-check-input",
  });
  box.checked = view.areNamesHidden;
  box.addEventListener("change", () => change("areNamesHidden", box.checked));
  const label = make("label", { for: "vm-hide-names", class: "form-check-label" }, t.hideNames);
  parts.push(make("div", { class: "form-check form-switch" }, box, label));
  byId("-controls").replaceChildren(...parts);
  if (held) document.getElementById(held)?.focus();
}

function select(key, label, options, chosen, convert = String) {
  const id = `vm-choose-${key}`;
  const element = make("select", { id, class: "form-select form-select-sm" });
  for (const [value, words] of options) {
    element.append(new Option(words, value, false, String(value) === String(chosen)));
  }
  element.addEventListener("change", () => change(key, convert(element.value)));
  return make("div", { class: "vm-choice" }, make("label", { for: id }, label), element);
}

function summary(rows) {
  const t = texts();
  const counts = countKinds(rows);
  const chips = Object.keys(counts)
    .filter((kind) => counts[kind] || kind === "stuck")
    .map((kind) =>
      make(
        "li",
        { class: `vm-chip vm-chip-${kind}`, "data-kind": kind, "data-count": counts[kind] },
        icon(KIND_ICONS[kind]),
        " ",
        t.summary[kind](counts[kind]),
      ),
    );
  const latest = Math.max(0, ...rows.map((row) => row.progress));
  if (board.course && rows.length) {
    const words = latest ? t.anyone(duration(board.now - latest)) : t.nobody;
    chips.push(make("li", { class: "vm-latest" }, words));
  }
  byId("-summary").replaceChildren(...chips);
  speak(chips.map((chip) => chip.textContent.trim()).join(", "));
}

/** Tell a screen reader what changed, and not more often than one can listen to. */
function speak(words) {
  const live = byId("-live");
  if (live.textContent === words || performance.now() - spokenAt < SPOKEN_PERIOD_MS) return;
  spokenAt = performance.now();
  live.textContent = words;
}

function alertBox() {
  const t = texts();
  const content = [];
  if (status.kind === "lost") {
    content.push(board ? t.lost(clock(board.now), status.wait) : t.lostFirst(status.wait));
  } else if (status.kind === "refused") {
    content.push(`${t.refused} `, make("a", { href: "", class: "alert-link" }, t.reload));
  } else if (board && board.rows.some((row) => row.state === "unknown")) {
    content.push(t.providerLost);
  }
  const box = byId("-alert");
  const words = content.map((part) => part.textContent ?? part).join("");
  if (box.textContent === words) return;
  const attributes = { class: "alert alert-warning py-2" };
  box.replaceChildren(...(content.length ? [make("div", attributes, ...content)] : []));
}

function legend() {
  const t = texts();
  const signs = [
    ["passed", t.step.passed(1)],
    ["failed", `${t.step.failed(1).split(",")[0]}`],
    ["open", t.step.open],
  ];
  byId("-legend").replaceChildren(
    ...signs.map(([shape, words]) =>
      make("span", { class: `vm-cell-${shape}` }, icon(shape), " ", words),
    ),
  );
}

function heading() {
  const t = texts();
  const course = board && !awaited() && board.course;
  byId("-course").textContent = course ? t.course(localized(course.title), course.version) : "";
  const when = board ? t.updated(clock(board.now)) : t.loading;
  const words = { lost: "", refused: "", paused: t.paused }[status.kind] ?? when;
  byId("-time").textContent = words;
}

// -- all together ----------------------------------------------------------------------------

function render() {
  const t = texts();
  heading();
  alertBox();
  legend();
  byId("").dataset.status = status.kind;
  showPeople(!view.areNamesHidden);
  if (!board) {
    if (status.kind === "loading") table.clear(t.loading);
    return;
  }
  const coming = awaited();
  if (coming) {
    // Another course's rows under this one's name would be believed.
    table.clear(t.loadingCourse(localized(coming.title)));
    byId("-summary").replaceChildren();
    return;
  }
  const rows = describeRows(board, view.threshold);
  summary(rows);
  if (!rows.length) {
    table.clear(make("p", { class: "fs-5 mb-1" }, t.noRows), make("p", {}, t.noRowsHint));
    return;
  }
  table.show(board, sortRows(rows, view.sort), view);
  if (!board.course) {
    byId("-course").textContent = t.noCourse;
    byId("-legend").replaceChildren(t.noCourseHint);
  }
}

const askNow = poll(
  () => {
    const api = byId("").dataset.api;
    return view.course ? `${api}?course=${encodeURIComponent(view.course)}` : api;
  },
  {
    data(answer) {
      const before = board && JSON.stringify(board.courses);
      board = answer;
      status = { kind: "live", wait: 0 };
      if (before !== JSON.stringify(board.courses)) controls();
      render();
    },
    lost(wait, httpStatus) {
      if (httpStatus === 404 && view.course) {
        // The course that this browser remembers is gone: fall back to the newest.
        change("course", "");
        return;
      }
      status = { kind: "lost", wait };
      render();
    },
    refused() {
      status = { kind: "refused", wait: 0 };
      render();
    },
    paused() {
      status = { ...status, kind: status.kind === "live" ? "paused" : status.kind };
      render();
    },
  },
);

document.addEventListener("vmlab-language", () => {
  controls();
  render();
});
controls();
render();
