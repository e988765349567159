// Building elements. Whatever comes from outside goes through `textContent` or `setAttribute`,
// never through HTML: names of users and courses are not ours.

const SVG = "http://www.w3.org/2000/svg";

/** @typedef {Record<string, string | number | boolean | null>} Attributes `false` and null: left out */

/**
 * Make an element: make("td", {class: "x", scope: "row"}, "text", otherElement).
 *
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Attributes} attributes
 * @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function make(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/**
 * Make an element of a picture, as `make` does one of a page.
 *
 * @param {string} tag
 * @param {Attributes} attributes
 * @param {(Node | string)[]} children
 */
export function makeSvg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  return /** @type {SVGElement} */ (fill(element, attributes, children));
}

/**
 * @template {Element} E
 * @param {E} element
 * @param {Attributes} attributes
 * @param {(Node | string)[]} children
 */
function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null) element.setAttribute(name, String(value));
  }
  element.append(...children);
  return element;
}

/**
 * Give the focus back to what had it. If that was rewritten meanwhile: to the same button of its
 * row, or to what the row offers now.
 *
 * @param {Element | null} held
 * @param {HTMLElement | null} row
 */
export function giveFocusBack(held, row) {
  if (!(held instanceof HTMLElement)) return;
  if (held.isConnected) {
    held.focus();
    return;
  }
  const { act } = held.dataset;
  const now = row?.isConnected ? row : sameRow(row);
  const same = act && now?.querySelector(`[data-act="${CSS.escape(act)}"]`);
  const next = same || now?.querySelector("button, a");
  if (next instanceof HTMLElement) next.focus();
}

/**
 * The row with the same label in a table that was built again, as for a course that was published.
 * @param {HTMLElement | null} row
 */
function sameRow(row) {
  const label = row?.dataset.label;
  return label === undefined ? null : document.querySelector(`tr[data-label="${CSS.escape(label)}"]`);
}

/**
 * An element of the page's template. A page without it is broken, which the console says by its name.
 *
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 * @param {new () => T} [kind] such as HTMLButtonElement
 * @returns {T}
 */
export function byId(id, kind) {
  const found = document.getElementById(id);
  if (!(found instanceof (kind ?? HTMLElement))) throw new Error(`the page has no ${kind?.name ?? "element"} #${id}`);
  return /** @type {T} */ (found);
}

/**
 * What the template says in an attribute `data-…`.
 *
 * @param {HTMLElement} element
 * @param {string} name as in `dataset`
 */
export function given(element, name) {
  const value = element.dataset[name];
  if (value === undefined) throw new Error(`#${element.id} does not say ${name}`);
  return value;
}

/**
 * The element around what an event happened to, if there is one.
 *
 * @param {Event} event
 * @param {string} selector
 * @returns {HTMLElement | null}
 */
export function around({ target }, selector) {
  return target instanceof Element ? target.closest(selector) : null;
}

/** What has the focus and can be given it back; null when nothing has. */
export function focused() {
  return document.activeElement instanceof HTMLElement ? document.activeElement : null;
}

/**
 * A list to choose from, under its label.
 *
 * @param {string} id
 * @param {string} label
 * @param {HTMLOptionElement[]} options
 * @param {(at: number) => void} chosen called with the position of what was chosen
 */
export function choice(id, label, options, chosen) {
  const list = make("select", { id, class: "form-select form-select-sm" }, ...options);
  list.addEventListener("change", () => chosen(list.selectedIndex));
  return make("div", { class: "vm-choice" }, make("label", { for: id }, label), list);
}

/**
 * A text for screen readers only.
 * @param {string} text
 */
export function spoken(text) {
  return make("span", { class: "visually-hidden" }, text);
}

// Shapes differ as much as colours do, so that neither is needed to tell them apart.
const UNKNOWN = "M8 0l8 8-8 8-8-8Zm0 2.3L2.3 8 8 13.7 13.7 8Z";
/** @type {Record<string, string>} */
const SHAPES = {
  passed: "M8 0a8 8 0 1 1 0 16A8 8 0 0 1 8 0Zm3.9 4.8L7 9.9 4.6 7.5 3.3 8.8 7 12.5l6.2-6.4Z",
  failed: "M8 .5 15.8 15H.2ZM7.1 5.5l.3 4.8h1.2l.3-4.8ZM7.1 11.6v1.7h1.8v-1.7Z",
  open: "M4 7.2h8v1.6H4Z",
  running: "M3 1.5 14 8 3 14.5Z",
  starting: "M3 1h10v2L9.5 8l3.5 5v2H3v-2l3.5-5L3 3Z",
  stopped: "M2.5 2.5h11v11h-11Z",
  absent: "M8 1a7 7 0 1 1 0 14A7 7 0 0 1 8 1Zm0 1.6a5.4 5.4 0 1 0 0 10.8A5.4 5.4 0 0 0 8 2.6Z",
  unknown: UNKNOWN,
};

/**
 * A small picture that is always beside a word.
 * @param {string} shape one that is not known is drawn as "unknown"
 */
export function icon(shape) {
  const path = makeSvg("path", { d: SHAPES[shape] ?? UNKNOWN, "fill-rule": "evenodd" });
  const attributes = { viewBox: "0 0 16 16", class: `vm-icon vm-icon-${shape}`, "aria-hidden": "true" };
  return makeSvg("svg", { ...attributes, focusable: "false" }, path);
}

/**
 * Read a value kept in this browser; the fallback when there is none or storage is blocked.
 * @param {string} key
 * @param {string} fallback
 */
export function recall(key, fallback) {
  try {
    return localStorage.getItem(`vmlab-${key}`) ?? fallback;
  } catch {
    return fallback;
  }
}

/**
 * Keep a value in this browser; a browser that blocks storage forgets it with the page.
 * @param {string} key
 * @param {string} value
 */
export function remember(key, value) {
  try {
    localStorage.setItem(`vmlab-${key}`, value);
  } catch {
    // the setting lasts for this page
  }
}
