// Building elements. Whatever comes from outside goes through `textContent` or `setAttribute`,
// never through HTML: names of users and courses are not ours.

const SVG = "http://www.w3.org/2000/svg";

/** Make an element: make("td", {class: "x", scope: "row"}, "text", otherElement). */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/**
 * Give the focus back to what had it. If that was written anew meanwhile: to the same button of its
 * row, or to what the row offers now.
 */
export function giveFocusBack(held, row) {
  if (held?.isConnected) return held.focus();
  const act = held?.dataset.act;
  const same = act && row?.querySelector(`[data-act="${CSS.escape(act)}"]`);
  (same || row?.querySelector("button, a"))?.focus();
}

/** A text for screen readers only. */
export function spoken(text) {
  return make("span", { class: "visually-hidden" }, text);
}

// Shapes differ as much as colours do, so that neither is needed to tell them apart.
const SHAPES = {
  passed: "M8 0a8 8 0 1 1 0 16A8 8 0 0 1 8 0Zm3.9 4.8L7 9.9 4.6 7.5 3.3 8.8 7 12.5l6.2-6.4Z",
  failed: "M8 .5 15.8 15H.2ZM7.1 5.5l.3 4.8h1.2l.3-4.8ZM7.1 11.6v1.7h1.8v-1.7Z",
  open: "M4 7.2h8v1.6H4Z",
  running: "M3 1.5 14 8 3 14.5Z",
  starting: "M3 1h10v2L9.5 8l3.5 5v2H3v-2l3.5-5L3 3Z",
  stopped: "M2.5 2.5h11v11h-11Z",
  absent: "M8 1a7 7 0 1 1 0 14A7 7 0 0 1 8 1Zm0 1.6a5.4 5.4 0 1 0 0 10.8A5.4 5.4 0 0 0 8 2.6Z",
  unknown: "M8 0l8 8-8 8-8-8Zm0 2.3L2.3 8 8 13.7 13.7 8Z",
};

/** A small picture that is always beside a word. */
export function icon(shape) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("class", `vm-icon vm-icon-${shape}`);
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("focusable", "false");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", SHAPES[shape]);
  path.setAttribute("fill-rule", "evenodd");
  svg.append(path);
  return svg;
}

/** Read a value kept in this browser; the fallback when there is none or storage is blocked. */
export function recall(key, fallback) {
  try {
    return localStorage.getItem(`vmlab-${key}`) ?? fallback;
  } catch {
    return fallback;
  }
}

/** Keep a value in this browser; a browser that blocks storage forgets it with the page. */
export function remember(key, value) {
  try {
    localStorage.setItem(`vmlab-${key}`, value);
  } catch {
    // the setting lasts for this page
  }
}
