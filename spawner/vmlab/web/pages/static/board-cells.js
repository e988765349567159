// One row of the board, and its cells.

import { furtherStates, percent, stepState } from "./board-model.js";
import { duration, texts } from "./board-text.js";
import { icon, make, spoken } from "./dom.js";
import { keyOf, nameOf } from "./seat.js";
import { shapeOf, stateWords } from "./state.js";
import { localized } from "./words.js";

/** @import { Board, BoardView, DescribedRow, Localized, Seat, SharedMachine, Step } from "../types" */
/** @import { Attributes } from "./dom.js" */
/** @import { Item } from "./kept-rows.js" */

/** @typedef {Pick<BoardView, "areNamesHidden">} View */

/**
 * What `KeptRows` shows for a row of the board.
 * @param {Board} board
 * @param {DescribedRow} row
 * @param {Step[]} steps
 * @param {View} view
 * @returns {Item}
 */
export function boardRow(board, row, steps, view) {
  const label = labelOf(row, view);
  return {
    key: keyOf(row),
    class: `vm-row-${row.kind}`,
    data: { kind: row.kind, label },
    cells: [
      nameCell(label, row.url && !view.areNamesHidden ? row : null),
      machineCell(row, label, view),
      progressCell(row),
      idleCell(board, row),
      ...steps.map((step) => stepCell(row, step)),
    ],
  };
}

/**
 * What a trainee is called on the board.
 * @param {Pick<DescribedRow, "user" | "server" | "index">} row
 * @param {View} view
 */
export function labelOf(row, view, t = texts()) {
  return view.areNamesHidden ? t.seat(row.index + 1) : nameOf(row);
}

// A name that is longer than this may break over lines: it would push everything else away.
const LONG_NAME = 26;

/**
 * The row's header; with the way to the machine of `opened`, if there is one.
 * @param {string} label
 * @param {Seat | null} [opened]
 */
export function nameCell(label, opened) {
  const long = label.length > LONG_NAME ? " vm-long-name" : "";
  const cell = make("th", { scope: "row", role: "rowheader", class: `vm-name${long}` }, label);
  if (opened) cell.append(" ", openLink(opened));
  return cell;
}

/**
 * The way to a machine.
 * @param {Seat} seat
 * @param {Attributes} more
 */
export function openLink(seat, more = {}) {
  const t = texts();
  const words = { "aria-label": t.openOf(nameOf(seat)), "data-act": "open" };
  return make("a", { href: seat.url, target: "_blank", rel: "noopener", ...words, ...more }, t.open);
}

/**
 * A machine's state in a picture and a word, with what is wrong with it.
 * @param {Seat & {notes?: Localized[]}} row
 */
export function stateParts(row) {
  const troubles = [row.problem, ...(row.notes ?? []).map((note) => localized(note))].filter(Boolean);
  return [
    icon(shapeOf(row.state)),
    " ",
    stateWords(row),
    ...troubles.map((trouble) => make("div", { class: "vm-problem small" }, trouble)),
  ];
}

/**
 * @param {DescribedRow} row
 * @param {string} name
 * @param {View} view
 */
function machineCell(row, name, view) {
  const t = texts();
  const cell = make("td", { role: "cell", class: "vm-machine" }, ...stateParts(row));
  for (const { state, labels } of furtherStates(row)) cell.append(furtherMachines(state, labels));
  for (const words of [...problemWords(row), ...limitedWords(row, view)]) cell.append(make("div", { class: "vm-problem small" }, words));
  if (row.may_renew && row.machines.length) {
    const words = { "aria-label": t.machinesOf(name), "aria-haspopup": "dialog", "data-machines": row.user };
    cell.append(" ", make("button", { type: "button", class: "vm-renew-row", "data-act": "machines", ...words }, t.machines));
  }
  if (row.may_renew && row.state !== "absent") {
    const words = { "aria-label": t.renewOf(name), "aria-haspopup": "dialog", "data-renew": row.user };
    const button = { type: "button", class: "vm-renew-row", "data-act": "renew", ...words };
    cell.append(" ", make("button", button, t.renew));
  }
  return cell;
}

/**
 * Machines beside the desk that do the same.
 * @param {string} state
 * @param {string[]} labels
 */
function furtherMachines(state, labels) {
  const words = texts().labelled(labels.join(", "), stateWords({ state, place: 0 }));
  return make("div", { class: "vm-further small" }, icon(shapeOf(state)), " ", words);
}

/**
 * A machine that all trainees use: when it is off, all of them notice.
 * @param {SharedMachine} machine
 */
export function sharedChip({ label, state, problem, is_limited: isLimited }) {
  const t = texts();
  const words = t.labelled(label, stateWords({ state, place: 0 }));
  const troubles = [problem, isLimited ? t.limited(label) : ""].filter(Boolean);
  const chip = make("li", { class: "vm-chip vm-chip-shared", "data-state": state }, icon(shapeOf(state)), " ", words);
  if (troubles.length) chip.append(make("span", { class: "vm-problem small ms-2" }, troubles.join(" · ")));
  return chip;
}

/**
 * What is wrong with machines beside the desk.
 * @param {Pick<DescribedRow, "machines">} row
 */
export function problemWords({ machines }, t = texts()) {
  return machines.filter(({ problem }) => problem).map(({ label, problem }) => t.labelled(label, problem));
}

/**
 * Which machines send more than the network allows: by the names that all use, which say whose they are.
 * @param {Pick<DescribedRow, "limited">} row
 * @param {View} view
 */
export function limitedWords({ limited }, view, t = texts()) {
  return limited.map(({ label, name }) => t.limited(view.areNamesHidden ? label : name));
}

/**
 * How much is done, in a picture beside words.
 * @param {number} part
 * @param {number} whole
 */
export function progressBar(part, whole) {
  const filled = make("span");
  filled.style.width = `${percent(part, whole)}%`;
  return make("span", { class: "vm-bar", "aria-hidden": "true" }, filled);
}

/** @param {DescribedRow} row */
function progressCell(row) {
  const t = texts();
  if (!row.total) return make("td", { role: "cell" }, t.notWorking);
  const bar = progressBar(row.passed, row.total);
  return make("td", { role: "cell", class: "vm-done" }, bar, t.of(row.passed, row.total));
}

/**
 * @param {Board} board
 * @param {DescribedRow} row
 */
function idleCell(board, row) {
  const t = texts();
  const words = idleWords(row, t);
  const cell = make("td", { role: "cell", class: "vm-idle" });
  if (row.kind === "finished") cell.append(icon("passed"), " ", words);
  else if (row.kind === "stuck") cell.append(icon("failed"), " ", make("strong", {}, words));
  else cell.append(words);
  for (const remark of remarks(board, row, t)) {
    cell.append(make("div", { class: "vm-remark small" }, remark));
  }
  return cell;
}

/**
 * When there was progress last.
 * @param {Pick<DescribedRow, "kind" | "idle" | "progress" | "total">} row
 */
export function idleWords(row, t = texts()) {
  const time = duration(row.idle, t);
  if (row.kind === "finished") return t.finished;
  if (row.kind === "stuck") return t.stuck(time);
  if (row.kind === "working" && row.progress) return t.ago(time);
  if (row.kind === "working" && row.total) return t.noneYet(time);
  return t.notWorking;
}

/**
 * What else there is to say of the work: another course, another version.
 * @param {Pick<Board, "course" | "courses">} board
 * @param {Pick<DescribedRow, "kind" | "elsewhere" | "course_version">} row
 */
export function remarks(board, row, t = texts()) {
  const found = [];
  const { elsewhere } = row;
  if (elsewhere && ["stuck", "working"].includes(row.kind)) {
    const course = board.courses.find(({ name }) => name === elsewhere.course);
    const title = course ? localized(course.title) : elsewhere.course;
    found.push(t.elsewhere(title, t.of(elsewhere.passed, elsewhere.total)));
  }
  const newest = board.course?.version ?? 0;
  if (row.kind !== "off" && row.course_version && row.course_version < newest) {
    found.push(t.outdated(row.course_version, newest));
  }
  return found;
}

/**
 * @param {DescribedRow} row
 * @param {Step} step
 */
function stepCell(row, step) {
  const t = texts();
  const { kind, attempts } = stepState(row, step);
  const words = stepWords(kind, attempts);
  const title = localized(step.title);
  const attributes = { role: "cell", class: `vm-cell vm-cell-${kind}`, title: t.labelled(title, words) };
  const cell = make("td", attributes, icon(kind));
  if (attempts > 1 || kind === "failed") {
    cell.append(make("span", { class: "vm-tries", "aria-hidden": "true" }, String(attempts)));
  }
  // Where rows are cards, the column's header is not there to say which step it is.
  cell.append(make("span", { class: "visually-hidden vm-in-card" }, t.labelled(title, "")), spoken(words));
  return cell;
}

/**
 * What a trainee has done of a step, in words.
 * @param {"passed" | "failed" | "open"} kind
 * @param {number} attempts
 */
export function stepWords(kind, attempts, t = texts()) {
  return kind === "open" ? t.step.open : t.step[kind](attempts);
}
