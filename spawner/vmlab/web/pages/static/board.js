// The board of the admin page: asks the hub every few seconds and shows who is where.

import {
  DEFAULT_THRESHOLD,
  KINDS,
  SORTS,
  THRESHOLDS,
  awaitedCourse,
  chosenView,
  countKinds,
  describeRows,
  rememberView,
  sortRows,
} from "./board-model.js";
import { sharedChip } from "./board-cells.js";
import { BoardTable } from "./board-table.js";
import { clock, duration, texts } from "./board-text.js";
import { byId, choice, focused, given, icon, make, recall, remember } from "./dom.js";
import { showMachines } from "./machines-dialog.js";
import { showPeople } from "./people.js";
import { poll } from "./poll.js";
import { renew } from "./renew.js";
import { localized } from "./words.js";

/** @import { Board, BoardView, DescribedRow, Kind } from "../types" */

const SPOKEN_PERIOD_MS = 15000;
/** @type {Record<Kind, string>} */
const KIND_ICONS = {
  stuck: "failed",
  working: "running",
  changing: "starting",
  finished: "passed",
  off: "stopped",
};

const page = byId("vm-board");
const live = byId("vm-board-live");
const legendBox = byId("vm-board-legend");
const courseName = byId("vm-board-course");
const summaryList = byId("vm-board-summary");
const api = given(page, "api");
const view = chosenView(recall);

/** @type {Board | null} */
let board = null;
/** @type {{kind: "loading" | "live" | "paused" | "lost" | "refused", wait: number}} */
let status = { kind: "loading", wait: 0 };
let spokenAt = -SPOKEN_PERIOD_MS;

const table = new BoardTable(byId("vm-board-table"), {
  sort: (sort) => change({ sort }),
  renew: (user, name) => renew(`${machinesOf(user)}/renew`, { name, started: () => askNow() }),
  machines: (user, name) => showMachines(machinesOf(user), name),
});

/**
 * The hub's address of a trainee's machines.
 * @param {string} user
 */
function machinesOf(user) {
  return new URL(`machines/${encodeURIComponent(user)}`, new URL(api, window.location.href)).href;
}

/** @param {Partial<BoardView>} chosen */
function change(chosen) {
  Object.assign(view, chosen);
  rememberView(chosen, remember);
  controls();
  render();
  if (chosen.course !== undefined) askNow();
}

// -- parts of the page -----------------------------------------------------------------------

function controls() {
  const t = texts();
  const held = focused()?.id;
  const sorts = SORTS.map((sort) => new Option(t.sorts[sort], sort, false, sort === view.sort));
  const thresholds = THRESHOLDS.map((m) => new Option(t.minutes(m), String(m), false, m === view.threshold));
  const parts = [
    choice("vm-choose-sort", t.sort, sorts, (at) => change({ sort: SORTS[at] ?? "stuck" })),
    choice("vm-choose-threshold", t.threshold, thresholds, (at) => change({ threshold: THRESHOLDS[at] ?? DEFAULT_THRESHOLD })),
  ];
  if (board && board.courses.length > 1) {
    const { courses } = board;
    const shown = (awaitedCourse(board, view.course) ?? board.course)?.name;
    const options = courses.map((c) => new Option(localized(c.title), c.name, false, c.name === shown));
    parts.unshift(choice("vm-choose-course", t.chooseCourse, options, (at) => change({ course: courses[at]?.name ?? "" })));
  }
  const box = make("input", {
    type: "checkbox",
    role: "switch",
    id: "vm-hide-names",
    class: "form-check-input",
  });
  box.checked = view.areNamesHidden;
  box.addEventListener("change", () => change({ areNamesHidden: box.checked }));
  const label = make("label", { for: "vm-hide-names", class: "form-check-label" }, t.hideNames);
  parts.push(make("div", { class: "form-check form-switch" }, box, label));
  byId("vm-board-controls").replaceChildren(...parts);
  if (held) document.getElementById(held)?.focus();
}

/**
 * @param {Board} shown
 * @param {DescribedRow[]} rows
 */
function summary(shown, rows) {
  const t = texts();
  const counts = countKinds(rows);
  const chips = KINDS.filter((kind) => counts[kind] || kind === "stuck").map((kind) =>
    make(
      "li",
      { class: `vm-chip vm-chip-${kind}`, "data-kind": kind, "data-count": counts[kind] },
      icon(KIND_ICONS[kind]),
      " ",
      t.summary[kind](counts[kind]),
    ),
  );
  const latest = Math.max(0, ...rows.map((row) => row.progress));
  if (shown.course && rows.length) {
    const words = latest ? t.anyone(duration(shown.now - latest)) : t.nobody;
    chips.push(make("li", { class: "vm-latest" }, words));
  }
  chips.push(...shown.shared.map(sharedChip));
  summaryList.replaceChildren(...chips);
  speak(chips.map((chip) => chip.textContent.trim()).join(", "));
}

/**
 * Tell a screen reader what changed, and not more often than one can listen to.
 * @param {string} words
 */
function speak(words) {
  if (live.textContent === words || performance.now() - spokenAt < SPOKEN_PERIOD_MS) return;
  spokenAt = performance.now();
  live.textContent = words;
}

function alertBox() {
  const t = texts();
  /** @type {(Node | string)[]} */
  const content = [];
  if (status.kind === "lost") {
    content.push(board ? t.lost(clock(board.now), status.wait) : t.lostFirst(status.wait));
  } else if (status.kind === "refused") {
    content.push(`${t.refused} `, make("a", { href: "", class: "alert-link" }, t.reload));
  } else if (board && board.rows.some((row) => row.state === "unknown")) {
    content.push(t.providerLost);
  } else if (board?.notes.length) {
    content.push(board.notes.map((note) => localized(note)).join(" · "));
  }
  const box = byId("vm-board-alert");
  const words = content.map((part) => (typeof part === "string" ? part : part.textContent)).join("");
  if (box.textContent === words) return;
  const attributes = { class: "alert alert-warning py-2" };
  box.replaceChildren(...(content.length ? [make("div", attributes, ...content)] : []));
}

function legend() {
  const t = texts();
  const sign = (/** @type {string} */ shape, /** @type {string} */ words) =>
    make("span", { class: `vm-cell-${shape}` }, icon(shape), " ", words);
  legendBox.replaceChildren(
    sign("passed", t.step.passed(1)),
    sign("failed", t.notPassed),
    sign("open", t.step.open),
  );
}

function heading() {
  const t = texts();
  const course = awaitedCourse(board, view.course) ? null : board?.course;
  courseName.textContent = course ? t.course(localized(course.title), course.version) : "";
  const when = board ? t.updated(clock(board.now)) : t.loading;
  const words = { lost: "", refused: "", paused: t.paused, loading: when, live: when };
  byId("vm-board-time").textContent = words[status.kind];
}

// -- all together ----------------------------------------------------------------------------

function render() {
  const t = texts();
  heading();
  alertBox();
  legend();
  page.dataset.status = status.kind;
  showPeople(!view.areNamesHidden);
  if (!board) {
    if (status.kind === "loading") table.clear(t.loading);
    return;
  }
  const coming = awaitedCourse(board, view.course);
  if (coming) {
    // Another course's rows under this one's name would be believed.
    table.clear(t.loadingCourse(localized(coming.title)));
    summaryList.replaceChildren();
    return;
  }
  const rows = describeRows(board, view.threshold);
  summary(board, rows);
  if (!rows.length) {
    table.clear(make("p", { class: "fs-5 mb-1" }, t.noRows), make("p", {}, t.noRowsHint));
    return;
  }
  table.show(board, sortRows(rows, view.sort), view);
  if (!board.course) {
    courseName.textContent = t.noCourse;
    legendBox.replaceChildren(t.noCourseHint);
  }
}

const askNow = poll(
  () => (view.course ? `${api}?course=${encodeURIComponent(view.course)}` : api),
  {
    data(/** @type {Board} */ answer) {
      const isNew = JSON.stringify(board?.courses) !== JSON.stringify(answer.courses);
      board = answer;
      status = { kind: "live", wait: 0 };
      if (isNew) controls();
      render();
    },
    lost(wait, httpStatus) {
      if (httpStatus === 404 && view.course) {
        // The course that this browser remembers is gone: fall back to the newest.
        change({ course: "" });
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
