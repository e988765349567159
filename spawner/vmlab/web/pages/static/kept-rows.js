// Rows of a table that are kept and changed in place, so that focus, selection and scroll stay.

import { focused, giveFocusBack, make } from "./dom.js";

/**
 * A row.
 * @typedef {{key: string, class: string, data: Record<string, string>, cells: HTMLElement[]}} Item
 */

export class KeptRows {
  /** @param {HTMLTableSectionElement} body */
  constructor(body) {
    this.body = body;
    /** @type {Map<string, HTMLTableRowElement>} */
    this.rows = new Map();
  }

  /**
   * Show these rows in this order; cells that are equal are left.
   * @param {Item[]} items
   */
  show(items) {
    const held = this.body.contains(document.activeElement) ? focused() : null;
    const row = held?.closest("tr") ?? null;
    const wanted = new Set(items.map((item) => item.key));
    for (const [key, element] of this.rows) {
      if (wanted.has(key)) continue;
      element.remove();
      this.rows.delete(key);
    }
    items.forEach((item, position) => {
      const element = this.rows.get(item.key) ?? make("tr", { role: "row" });
      this.rows.set(item.key, element);
      fill(element, item);
      const there = this.body.children.item(position);
      if (there !== element) this.body.insertBefore(element, there);
    });
    if (held && held !== document.activeElement) giveFocusBack(held, row);
  }
}

/**
 * @param {HTMLTableRowElement} element
 * @param {Item} item
 */
function fill(element, { class: className, data, cells }) {
  element.className = className;
  Object.assign(element.dataset, data);
  cells.forEach((cell, position) => {
    const old = element.children.item(position);
    if (!old) element.append(cell);
    else if (!old.isEqualNode(cell)) old.replaceWith(cell);
  });
  while (element.children.length > cells.length) element.lastElementChild?.remove();
}
