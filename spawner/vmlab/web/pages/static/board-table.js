// The table of the board: a row a trainee, a column a step.

import { boardRow, progressBar } from "./board-cells.js";
import { groupSteps, passedBy } from "./board-model.js";
import { texts } from "./board-text.js";
import { cardTable, columnHeader } from "./card-table.js";
import { around, focused, make, spoken } from "./dom.js";
import { KeptRows } from "./kept-rows.js";
import { language, localized } from "./words.js";

/** @import { Board, BoardView, DescribedRow, Sort, Step } from "../types" */

/**
 * What is pressed: a heading, a new machine for somebody, the machines of somebody.
 * @typedef {(user: string, label: string) => void} ForSomebody
 * @typedef {{sort: (by: Sort) => void, renew: ForSomebody, machines: ForSomebody}} On
 */

const LEADING_COLUMNS = 4;

/** A table of the board. */
export class BoardTable {
  /**
   * @param {HTMLElement} frame that holds it
   * @param {On} on
   */
  constructor(frame, on) {
    this.frame = frame;
    this.on = on;
    this.headKey = "";
    this.totals = make("tr");
    this.rows = new KeptRows(make("tbody"));
  }

  /**
   * Show these rows, already in order.
   * @param {Board} board
   * @param {DescribedRow[]} rows
   * @param {BoardView} view
   */
  show(board, rows, view) {
    const steps = board.course ? board.course.steps : [];
    const headKey = JSON.stringify([language(), steps, view.sort]);
    if (headKey !== this.headKey) {
      this.build(steps, view.sort);
      this.headKey = headKey;
    }
    this.showTotals(rows, steps);
    this.rows.show(rows.map((row) => boardRow(board, row, steps, view)));
  }

  /**
   * Show a sentence instead of a table.
   * @param {(Node | string)[]} content
   */
  clear(...content) {
    this.headKey = "";
    this.frame.replaceChildren(make("div", { class: "vm-empty" }, ...content));
  }

  /**
   * @param {Step[]} steps
   * @param {Sort} sort
   */
  build(steps, sort) {
    const t = texts();
    const held = focused()?.dataset.sort;
    const groups = groupSteps(steps);
    const top = make(
      "tr",
      { role: "row" },
      this.heading(t.trainee, "name", sort),
      columnHeader(t.machine, { rowspan: "2" }),
      this.heading(t.progress, "progress", sort),
      this.heading(t.idle, "stuck", sort),
      ...groups.map(({ title, steps: { length } }) =>
        columnHeader(localized(title), { scope: "colgroup", colspan: length, class: "vm-exercise" }),
      ),
    );
    this.totals = make("tr", { class: "vm-totals", role: "row" });
    const body = make("tbody", { role: "rowgroup" });
    // One listener for all rows: cells are compared as they are written, and replaced.
    body.addEventListener("click", (event) => {
      const user = around(event, "[data-renew]")?.dataset.renew;
      if (user !== undefined) this.on.renew(user, around(event, "tr")?.dataset.label ?? user);
      const whose = around(event, "[data-machines]")?.dataset.machines;
      if (whose !== undefined) this.on.machines(whose, around(event, "tr")?.dataset.label ?? whose);
    });
    this.rows = new KeptRows(body);
    // Without a course there is nothing to name: an empty row has no role that readers know.
    const head = [top, ...(steps.length ? [stepNames(steps), this.totals] : [])];
    this.frame.replaceChildren(cardTable(t.caption, head, body));
    if (!held) return;
    const again = this.frame.querySelector(`[data-sort="${CSS.escape(held)}"]`);
    if (again instanceof HTMLElement) again.focus();
  }

  /**
   * @param {string} text
   * @param {Sort} sort
   * @param {Sort} chosen
   */
  heading(text, sort, chosen) {
    const direction = sort === "stuck" ? "descending" : "ascending";
    const button = make("button", { type: "button", class: "vm-sort", "data-sort": sort }, text);
    button.addEventListener("click", () => this.on.sort(sort));
    const order = sort === chosen ? direction : "none";
    return columnHeader(button, { rowspan: "2", "aria-sort": order });
  }

  /**
   * @param {DescribedRow[]} rows
   * @param {Step[]} steps
   */
  showTotals(rows, steps) {
    const t = texts();
    const key = JSON.stringify(steps.map((step) => passedBy(rows, step)).concat(rows.length));
    if (this.totals.dataset.key === key) return;
    this.totals.dataset.key = key;
    const words = make("th", { scope: "row", role: "rowheader", colspan: LEADING_COLUMNS }, t.passedBy);
    this.totals.replaceChildren(words, ...steps.map((step) => totalCell(passedBy(rows, step), rows.length)));
  }
}

/**
 * @param {number} count
 * @param {number} all
 */
function totalCell(count, all) {
  const words = texts().of(count, all);
  const shown = make("span", { class: "vm-count", "aria-hidden": "true" }, String(count));
  return make("td", { role: "cell", title: words }, shown, spoken(words), progressBar(count, all));
}

/** @param {Step[]} steps */
function stepNames(steps) {
  const headers = steps.map((step) => {
    const title = localized(step.title);
    return columnHeader(make("span", {}, title), { class: "vm-step", title });
  });
  return make("tr", { role: "row" }, ...headers);
}
