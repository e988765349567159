// The table: rows are kept and changed in place, so that focus, selection and scroll stay.

import { icon, make, spoken } from "./dom.js";
import { groupSteps, passedBy, stepState } from "./board-model.js";
import { duration, localized, texts } from "./board-text.js";

const LEADING_COLUMNS = 4;

/** A table of the board inside `frame`. `on.sort(name)` is called when a heading is pressed, `on.renew(user, label)` for a new machine. */
export class BoardTable {
  constructor(frame, on) {
    this.frame = frame;
    this.on = on;
    this.headKey = "";
    this.rows = new Map();
  }

  /** Show these rows, already in order. `view`: {sort, areNamesHidden}. */
  show(board, rows, view) {
    const steps = board.course ? board.course.steps : [];
    const headKey = JSON.stringify([window.vmlab.language(), steps, view.sort]);
    if (headKey !== this.headKey) {
      this.build(steps, view.sort);
      this.headKey = headKey;
    }
    this.showTotals(rows, steps);
    this.showRows(board, rows, steps, view);
  }

  /** Show a sentence instead of a table. */
  clear(...content) {
    this.headKey = "";
    this.rows.clear();
    this.frame.replaceChildren(make("div", { class: "vm-empty" }, ...content));
  }

  build(steps, sort) {
    const t = texts();
    const held = document.activeElement && document.activeElement.dataset.sort;
    const groups = groupSteps(steps);
    const top = make(
      "tr",
      {},
      this.heading(t.trainee, "name", sort),
      make("th", { scope: "col", rowspan: "2" }, t.machine),
      this.heading(t.progress, "progress", sort),
      this.heading(t.idle, "stuck", sort),
      ...groups.map((group) =>
        make(
          "th",
          { scope: "colgroup", colspan: group.steps.length, class: "vm-exercise" },
          localized(group.title),
        ),
      ),
    );
    const names = make(
      "tr",
      {},
      ...steps.map((step) => make("th", { scope: "col", class: "vm-step" }, localized(step.title))),
    );
    this.totals = make("tr", { class: "vm-totals" });
    this.body = make("tbody");
    // One listener for all rows: cells are compared as they are written, and replaced.
    this.body.addEventListener("click", (event) => {
      const user = event.target.closest("[data-renew]")?.dataset.renew;
      if (user !== undefined) this.on.renew(user, event.target.closest("tr").dataset.label);
    });
    this.rows.clear();
    this.frame.replaceChildren(
      make(
        "table",
        { class: "table vm-table" },
        make("caption", { class: "visually-hidden" }, t.caption),
        make("thead", {}, top, names, ...(steps.length ? [this.totals] : [])),
        this.body,
      ),
    );
    if (held) this.frame.querySelector(`[data-sort="${CSS.escape(held)}"]`)?.focus();
  }

  heading(text, sort, chosen) {
    const isChosen = sort === chosen;
    const direction = sort === "stuck" ? "descending" : "ascending";
    const button = make("button", { type: "button", class: "vm-sort", "data-sort": sort }, text);
    button.addEventListener("click", () => this.on.sort(sort));
    return make(
      "th",
      { scope: "col", rowspan: "2", "aria-sort": isChosen ? direction : "none" },
      button,
    );
  }

  showTotals(rows, steps) {
    const t = texts();
    const key = JSON.stringify(steps.map((step) => passedBy(rows, step)).concat(rows.length));
    if (this.totals.dataset.key === key) return;
    this.totals.dataset.key = key;
    this.totals.replaceChildren(
      make("th", { scope: "row", colspan: LEADING_COLUMNS }, t.passedBy),
      ...steps.map((step) => {
        const count = passedBy(rows, step);
        const share = rows.length ? count / rows.length : 0;
        const bar = make("span", { class: "vm-bar", "aria-hidden": "true" }, make("span"));
        bar.firstChild.style.width = `${Math.round(share * 100)}%`;
        return make("td", {}, make("span", { class: "vm-count" }, t.of(count, rows.length)), bar);
      }),
    );
  }

  showRows(board, rows, steps, view) {
    const wanted = new Set(rows.map(rowKey));
    for (const [key, element] of this.rows) {
      if (!wanted.has(key)) {
        element.remove();
        this.rows.delete(key);
      }
    }
    const held = this.body.contains(document.activeElement) ? document.activeElement : null;
    rows.forEach((row, position) => {
      const key = rowKey(row);
      let element = this.rows.get(key);
      if (!element) {
        element = make("tr");
        this.rows.set(key, element);
      }
      fillRow(element, board, row, steps, view);
      if (this.body.children[position] !== element) {
        this.body.insertBefore(element, this.body.children[position] || null);
      }
    });
    if (held && held !== document.activeElement && held.isConnected) held.focus();
  }
}

function rowKey(row) {
  return JSON.stringify([row.user, row.server]);
}

/** Fill a row, touching only the cells whose content changed. */
function fillRow(element, board, row, steps, view) {
  element.className = `vm-row-${row.kind}`;
  element.dataset.kind = row.kind;
  element.dataset.label = labelOf(row, view);
  const cells = [
    nameCell(row, view),
    machineCell(row, labelOf(row, view)),
    progressCell(row),
    idleCell(board, row),
    ...steps.map((step) => stepCell(row, step)),
  ];
  cells.forEach((cell, position) => {
    const old = element.children[position];
    if (!old) element.append(cell);
    else if (!old.isEqualNode(cell)) old.replaceWith(cell);
  });
  while (element.children.length > cells.length) element.lastChild.remove();
}

/** What a trainee is called on the board. */
export function labelOf(row, view) {
  if (view.areNamesHidden) return texts().seat(row.index + 1);
  return row.server ? `${row.user} / ${row.server}` : row.user;
}

function nameCell(row, view) {
  const t = texts();
  const cell = make("th", { scope: "row", class: "vm-name" }, labelOf(row, view));
  if (row.url && !view.areNamesHidden) {
    cell.append(
      " ",
      make(
        "a",
        { href: row.url, target: "_blank", rel: "noopener", "aria-label": t.openOf(row.user) },
        t.open,
      ),
    );
  }
  return cell;
}

function machineCell(row, name) {
  const t = texts();
  const shape = { pending: "starting", waiting: "starting" }[row.state] || row.state;
  const words = row.state === "waiting" ? t.inLine(row.place) : t.states[row.state] || row.state;
  const cell = make("td", { class: "vm-machine" }, icon(shape), " ", words);
  for (const words of [row.problem, ...row.notes.map(localized)].filter(Boolean)) {
    cell.append(make("div", { class: "vm-problem small" }, words));
  }
  if (row.may_renew && row.state !== "absent") {
    const words = { "aria-label": t.renewOf(name), "aria-haspopup": "dialog", "data-renew": row.user };
    cell.append(" ", make("button", { type: "button", class: "vm-renew-row", ...words }, t.renew));
  }
  return cell;
}

function progressCell(row) {
  const t = texts();
  if (!row.total) return make("td", {}, t.notWorking);
  const bar = make("span", { class: "vm-bar", "aria-hidden": "true" }, make("span"));
  bar.firstChild.style.width = `${Math.round((row.passed / row.total) * 100)}%`;
  return make("td", { class: "vm-done" }, bar, t.of(row.passed, row.total));
}

function idleCell(board, row) {
  const t = texts();
  const time = duration(row.idle);
  const cell = make("td", { class: "vm-idle" });
  if (row.kind === "finished") cell.append(icon("passed"), " ", t.finished);
  else if (row.kind === "stuck") cell.append(icon("failed"), " ", make("strong", {}, t.stuck(time)));
  else if (row.kind === "working" && row.last_progress) cell.append(t.ago(time));
  else if (row.kind === "working" && row.total) cell.append(t.noneYet(time));
  else cell.append(t.notWorking);
  const newest = board.course && board.course.version;
  if (row.kind !== "off" && row.course_version && row.course_version < newest) {
    const words = t.outdated(row.course_version, newest);
    cell.append(make("div", { class: "small text-body-secondary" }, words));
  }
  return cell;
}

function stepCell(row, step) {
  const t = texts();
  const { kind, attempts } = stepState(row, step);
  const words = kind === "open" ? t.step.open : t.step[kind](attempts);
  const cell = make("td", { class: `vm-cell vm-cell-${kind}`, title: words }, icon(kind));
  if (attempts > 1 || kind === "failed") {
    cell.append(make("span", { class: "vm-tries", "aria-hidden": "true" }, String(attempts)));
  }
  cell.append(spoken(words));
  return cell;
}
