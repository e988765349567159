// Tables whose rows are cards on a narrow page.

import { make } from "./dom.js";

/** @import { Attributes } from "./dom.js" */

/**
 * @param {Node | string} content
 * @param {Attributes} attributes
 */
export function columnHeader(content, attributes = {}) {
  return make("th", { scope: "col", role: "columnheader", ...attributes }, content);
}

/**
 * A table whose rows are cards on a narrow page: without roles it would be none there any more.
 * @param {string} caption
 * @param {HTMLTableRowElement[]} head
 * @param {HTMLTableSectionElement} body
 */
export function cardTable(caption, head, body) {
  return make(
    "table",
    { class: "table vm-table vm-cards", role: "table" },
    make("caption", { class: "visually-hidden" }, caption),
    make("thead", { role: "rowgroup" }, ...head),
    body,
  );
}
