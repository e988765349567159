// The page "Course": titles, own progress, where to go on. Titles go through `textContent` only.

import { count } from "./model.js";
import { wayWords } from "./words.js";

/** @import { Language } from "../../jupyterlab" */
/** @import { Course, Courses, Exercise, Step } from "./model.js" */
/** @import { textsOf } from "./words.js" */

/**
 * How the page speaks, and where it leads.
 *
 * @typedef {object} Ways
 * @property {ReturnType<typeof textsOf>} texts
 * @property {Language} language
 * @property {(exercise: Exercise) => void} open
 * @property {() => void} openLauncher
 */

const STYLE = `
.vmlab-course { overflow: auto; padding: 1.5rem; background: var(--jp-layout-color1);
  color: var(--jp-ui-font-color1); font-family: var(--jp-ui-font-family); font-size: 15px; line-height: 1.5; }
.vmlab-course > * { max-width: 44rem; margin-inline: auto; }
.vmlab-course h1 { font-size: 1.7rem; line-height: 1.25; margin-block: 0 0.5rem; }
.vmlab-course h2 { font-size: 1.25rem; margin-block: 2rem 0.5rem; }
.vmlab-course progress { display: block; width: 100%; height: 0.6rem; accent-color: var(--jp-success-color0); }
.vmlab-course button { font: inherit; color: inherit; background: none; border: 1px solid transparent;
  border-radius: 4px; padding: 0.3rem 0.6rem; cursor: pointer; text-align: start; }
.vmlab-course button:focus-visible { outline: 3px solid var(--jp-brand-color1); outline-offset: 2px; }
.vmlab-course button:disabled { cursor: default; }
.vmlab-course .vmlab-go { background: var(--jp-brand-color0, #1976d2); color: var(--jp-ui-inverse-font-color0, #fff);
  font-size: 1.1rem; padding: 0.6rem 1.1rem; margin-block: 1rem; }
.vmlab-course .vmlab-title { font-weight: 600; font-size: 1.05rem; padding-inline-start: 0; }
.vmlab-course .vmlab-title:not(:disabled) { text-decoration: underline; text-underline-offset: 0.2em; }
.vmlab-course .vmlab-other { border-color: var(--jp-border-color0); margin-block-start: 2rem; }
.vmlab-course ol.vmlab-exercises { padding-inline-start: 1.6rem; }
.vmlab-course ol.vmlab-exercises > li { margin-block: 0.9rem; padding-inline-start: 0.4rem; }
.vmlab-course li[aria-current] { border-inline-start: 4px solid var(--jp-brand-color1); }
.vmlab-course .vmlab-here { margin-inline-start: 0.5rem; font-weight: 600; }
.vmlab-course .vmlab-count { margin-inline-start: 0.5rem; color: var(--jp-ui-font-color1); }
.vmlab-course ul { list-style: none; margin: 0.1rem 0 0; padding: 0; }
.vmlab-course .vmlab-sign { display: inline-block; width: 1.4em; font-weight: 700; }
.vmlab-course .vmlab-spoken { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.lm-TabBar-tab[data-vmlab-title]::after { content: attr(data-vmlab-title); order: 1; flex: 1 1 auto; min-width: 0;
  overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.lm-TabBar-tab[data-vmlab-title] > .lm-TabBar-tabLabel { flex: 0 0 auto; font-size: 0; }
.lm-TabBar-tab[data-vmlab-title] > .lm-TabBar-tabCloseIcon { order: 2; }
`;

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string | number | boolean | null>} attributes `false` and null: left out
 * @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[K]}
 */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false && value !== null) element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children);
  return element;
}

/** Put the page's style into the document, once. */
export function addStyle() {
  document.head.append(make("style", {}, STYLE));
}

/**
 * Draw the page into `node`; what had the focus keeps it.
 * @param {HTMLElement} node
 * @param {Courses} courses what is known
 * @param {Ways} ways
 */
export function draw(node, courses, ways) {
  const held = document.activeElement;
  const key = held instanceof HTMLElement && node.contains(held) ? held.dataset.key : undefined;
  const { texts } = ways;
  const notes = [];
  if (courses.isLost) notes.push(texts.lost);
  if (courses.isComing) notes.push(texts.coming);
  if (!courses.outline && !courses.isLost) notes.push(texts.looking);
  if (courses.outline && !courses.all.length) notes.push(texts.none);
  const sections = courses.all.flatMap((course, place) => drawCourse(course, place, courses, ways));
  const other = make("button", { class: "vmlab-other", type: "button", "data-key": "launcher" }, texts.launcher);
  other.addEventListener("click", ways.openLauncher);
  node.replaceChildren(
    ...(sections.length ? [] : [make("h1", {}, texts.course)]),
    make("p", { role: "status" }, notes.join(" ")),
    ...sections,
    make("p", {}, other),
  );
  const again = key && node.querySelector(`[data-key="${CSS.escape(key)}"]`);
  if (again instanceof HTMLElement) again.focus();
}

/**
 * @param {Course} course
 * @param {number} place
 * @param {Courses} courses
 * @param {Ways} ways
 */
function drawCourse(course, place, courses, ways) {
  const { texts, language } = ways;
  const { passed, all } = count(course.exercises);
  const current = courses.current?.course === course ? courses.current.exercise : null;
  return [
    make(place ? "h2" : "h1", {}, course.title[language]),
    make("progress", { max: all, value: passed, "aria-label": texts.progress }),
    make("div", {}, texts.steps(passed, all)),
    ...(place ? [] : [drawWay(courses, ways)]),
    make(
      "ol",
      { class: "vmlab-exercises" },
      ...course.exercises.map((exercise) => drawExercise(course, exercise, exercise === current, ways)),
    ),
  ];
}

/**
 * The one button that a trainee needs: it leads to the exercise at which they are.
 * @param {Courses} courses
 * @param {Ways} ways
 */
function drawWay(courses, ways) {
  const { texts, language, open } = ways;
  if (!courses.current) return make("p", {}, make("strong", {}, texts.allDone));
  const { exercise, course } = courses.current;
  const hasBegun = count(course.exercises).passed > 0;
  const button = make(
    "button",
    { class: "vmlab-go", type: "button", "data-key": "go", disabled: !exercise.notebook },
    wayWords(exercise.title[language], hasBegun, language),
  );
  button.addEventListener("click", () => open(exercise));
  return make("p", {}, button);
}

/**
 * @param {Course} course
 * @param {Exercise} exercise
 * @param {boolean} isCurrent
 * @param {Ways} ways
 */
function drawExercise(course, exercise, isCurrent, { texts, language, open }) {
  const { passed, all } = count([exercise]);
  const key = `${course.name}/${exercise.folder}`;
  const title = make(
    "button",
    { class: "vmlab-title", type: "button", "data-key": key, disabled: !exercise.notebook },
    exercise.title[language],
  );
  title.addEventListener("click", () => open(exercise));
  const row = make("li", { "aria-current": isCurrent ? "step" : null }, title);
  row.append(make("span", { class: "vmlab-count" }, texts.steps(passed, all)));
  if (isCurrent) row.append(make("span", { class: "vmlab-here" }, `← ${texts.here}`));
  if (course.delivered && !exercise.notebook) row.append(make("div", {}, texts.missing));
  row.append(make("ul", {}, ...exercise.steps.map((step) => drawStep(step, texts, language))));
  return row;
}

/**
 * @param {Step} step
 * @param {Ways["texts"]} texts
 * @param {Language} language
 */
function drawStep(step, texts, language) {
  return make(
    "li",
    { "data-passed": String(step.passed) },
    make("span", { class: "vmlab-sign", "aria-hidden": "true" }, step.passed ? "✓" : "○"),
    make("span", {}, step.title[language]),
    make("span", { class: "vmlab-spoken" }, ` (${step.passed ? texts.done : texts.open})`),
  );
}
