// Rows of a table that are kept and changed in place, so that focus, selection and scroll stay.

import { giveFocusBack, make } from "./dom.js";

export class KeptRows {
  /** Of this <tbody>. */
  constructor(body) {
    this.body = body;
    this.rows = new Map();
  }

  /** Show these rows in this order: `{key, class, data, cells}`; cells that are equal are left. */
  show(items) {
    const held = this.body.contains(document.activeElement) ? document.activeElement : null;
    const row = held?.closest("tr");
    const wanted = new Set(items.map((item) => item.key));
    for (const [key, element] of this.rows) {
      if (wanted.has(key)) continue;
      element.remove();
      this.rows.delete(key);
    }
    items.forEach((item, position) => {
      let element = this.rows.get(item.key);
      if (!element) this.rows.set(item.key, (element = make("tr", { role: "row" })));
      fill(element, item);
      if (this.body.children[position] !== element) {
        this.body.insertBefore(element, this.body.children[position] || null);
      }
    });
    if (held && held !== document.activeElement) giveFocusBack(held, row);
  }
}

function fill(element, { class: className, data, cells }) {
  element.className = className;
  Object.assign(element.dataset, data);
  cells.forEach((cell, position) => {
    const old = element.children[position];
    if (!old) element.append(cell);
    else if (!old.isEqualNode(cell)) old.replaceWith(cell);
  });
  while (element.children.length > cells.length) element.lastChild.remove();
}
