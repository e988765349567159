// One row of the board, and its cells.

import { stepState } from "./board-model.js";
import { duration, localized, texts } from "./board-text.js";
import { icon, make, spoken } from "./dom.js";

/** What `KeptRows` shows for a row of the board. */
export function boardRow(board, row, steps, view) {
  const label = labelOf(row, view);
  return {
    key: JSON.stringify([row.user, row.server]),
    class: `vm-row-${row.kind}`,
    data: { kind: row.kind, label },
    cells: [
      nameCell(label, row.url && !view.areNamesHidden ? row : null),
      machineCell(row, label),
      progressCell(row),
      idleCell(board, row),
      ...steps.map((step) => stepCell(row, step)),
    ],
  };
}

/** What a trainee is called on the board. */
export function labelOf(row, view) {
  if (view.areNamesHidden) return texts().seat(row.index + 1);
  return row.server ? `${row.user} / ${row.server}` : row.user;
}

// A name that is longer than this may break over lines: it would push everything else away.
const LONG_NAME = 26;

/** The row's header; with the way to the machine of `opened`, if there is one. */
export function nameCell(label, opened) {
  const long = label.length > LONG_NAME ? " vm-long-name" : "";
  const cell = make("th", { scope: "row", role: "rowheader", class: `vm-name${long}` }, label);
  if (opened) cell.append(" ", openLink(opened));
  return cell;
}

function openLink(row) {
  const t = texts();
  const words = { "aria-label": t.openOf(row.user), "data-act": "open" };
  return make("a", { href: row.url, target: "_blank", rel: "noopener", ...words }, t.open);
}

/** A machine's state in a picture and a word, with what is wrong with it. */
export function stateParts(row) {
  const t = texts();
  const shape = { pending: "starting", waiting: "starting" }[row.state] || row.state;
  const words = row.state === "waiting" ? t.inLine(row.place) : t.states[row.state] || row.state;
  const troubles = [row.problem, ...(row.notes || []).map(localized)].filter(Boolean);
  return [
    icon(shape),
    " ",
    words,
    ...troubles.map((trouble) => make("div", { class: "vm-problem small" }, trouble)),
  ];
}

function machineCell(row, name) {
  const t = texts();
  const cell = make("td", { role: "cell", class: "vm-machine" }, ...stateParts(row));
  if (row.may_renew && row.state !== "absent") {
    const words = { "aria-label": t.renewOf(name), "aria-haspopup": "dialog", "data-renew": row.user };
    const button = { type: "button", class: "vm-renew-row", "data-act": "renew", ...words };
    cell.append(" ", make("button", button, t.renew));
  }
  return cell;
}

function progressCell(row) {
  const t = texts();
  if (!row.total) return make("td", { role: "cell" }, t.notWorking);
  const bar = make("span", { class: "vm-bar", "aria-hidden": "true" }, make("span"));
  bar.firstChild.style.width = `${Math.round((row.passed / row.total) * 100)}%`;
  return make("td", { role: "cell", class: "vm-done" }, bar, t.of(row.passed, row.total));
}

function idleCell(board, row) {
  const t = texts();
  const time = duration(row.idle);
  const cell = make("td", { role: "cell", class: "vm-idle" });
  if (row.kind === "finished") cell.append(icon("passed"), " ", t.finished);
  else if (row.kind === "stuck") cell.append(icon("failed"), " ", make("strong", {}, t.stuck(time)));
  else if (row.kind === "working" && row.progress) cell.append(t.ago(time));
  else if (row.kind === "working" && row.total) cell.append(t.noneYet(time));
  else cell.append(t.notWorking);
  for (const words of remarks(board, row)) {
    cell.append(make("div", { class: "vm-remark small" }, words));
  }
  return cell;
}

function remarks(board, row) {
  const t = texts();
  const found = [];
  if (row.elsewhere && ["stuck", "working"].includes(row.kind)) {
    const course = board.courses.find(({ name }) => name === row.elsewhere.course);
    const title = course ? localized(course.title) : row.elsewhere.course;
    found.push(t.elsewhere(title, t.of(row.elsewhere.passed, row.elsewhere.total)));
  }
  const newest = board.course && board.course.version;
  if (row.kind !== "off" && row.course_version && row.course_version < newest) {
    found.push(t.outdated(row.course_version, newest));
  }
  return found;
}

function stepCell(row, step) {
  const t = texts();
  const { kind, attempts } = stepState(row, step);
  const words = kind === "open" ? t.step.open : t.step[kind](attempts);
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
