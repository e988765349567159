// The table of the board: a row a trainee, a column a step.

import { make } from "./dom.js";
import { groupSteps, passedBy } from "./board-model.js";
import { boardRow } from "./board-cells.js";
import { localized, texts } from "./board-text.js";
import { KeptRows } from "./kept-rows.js";

const LEADING_COLUMNS = 4;

/** A table of the board inside `frame`. `on.sort(name)` is called when a heading is pressed, `on.renew(user, label)` for a new machine. */
export class BoardTable {
  constructor(frame, on) {
    this.frame = frame;
    this.on = on;
    this.headKey = "";
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
    this.rows.show(rows.map((row) => boardRow(board, row, steps, view)));
  }

  /** Show a sentence instead of a table. */
  clear(...content) {
    this.headKey = "";
    this.frame.replaceChildren(make("div", { class: "vm-empty" }, ...content));
  }

  build(steps, sort) {
    const t = texts();
    const held = document.activeElement && document.activeElement.dataset.sort;
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
    const names = make(
      "tr",
      { role: "row" },
      ...steps.map((step) => {
        const title = localized(step.title);
        return columnHeader(make("span", {}, title), { class: "vm-step", title });
      }),
    );
    this.totals = make("tr", { class: "vm-totals", role: "row" });
    const body = make("tbody", { role: "rowgroup" });
    // One listener for all rows: cells are compared as they are written, and replaced.
    body.addEventListener("click", (event) => {
      const user = event.target.closest("[data-renew]")?.dataset.renew;
      if (user !== undefined) this.on.renew(user, event.target.closest("tr").dataset.label);
    });
    this.rows = new KeptRows(body);
    this.frame.replaceChildren(
      make(
        "table",
        // On a narrow page rows are cards: without roles that would be no table any more.
        { class: "table vm-table vm-cards", role: "table" },
        make("caption", { class: "visually-hidden" }, t.caption),
        make("thead", { role: "rowgroup" }, top, names, ...(steps.length ? [this.totals] : [])),
        body,
      ),
    );
    if (held) this.frame.querySelector(`[data-sort="${CSS.escape(held)}"]`)?.focus();
  }

  heading(text, sort, chosen) {
    const direction = sort === "stuck" ? "descending" : "ascending";
    const button = make("button", { type: "button", class: "vm-sort", "data-sort": sort }, text);
    button.addEventListener("click", () => this.on.sort(sort));
    const order = sort === chosen ? direction : "none";
    return columnHeader(button, { rowspan: "2", "aria-sort": order });
  }

  showTotals(rows, steps) {
    const t = texts();
    const key = JSON.stringify(steps.map((step) => passedBy(rows, step)).concat(rows.length));
    if (this.totals.dataset.key === key) return;
    this.totals.dataset.key = key;
    const words = make("th", { scope: "row", role: "rowheader", colspan: LEADING_COLUMNS }, t.passedBy);
    this.totals.replaceChildren(words, ...steps.map((step) => this.total(passedBy(rows, step), rows.length)));
  }

  total(count, all) {
    const words = texts().of(count, all);
    const bar = make("span", { class: "vm-bar", "aria-hidden": "true" }, make("span"));
    bar.firstChild.style.width = `${Math.round((all ? count / all : 0) * 100)}%`;
    const shown = make("span", { class: "vm-count", "aria-hidden": "true" }, String(count));
    const told = make("span", { class: "visually-hidden" }, words);
    return make("td", { role: "cell", title: words }, shown, told, bar);
  }
}

function columnHeader(content, attributes) {
  return make("th", { scope: "col", role: "columnheader", ...attributes }, content);
}
