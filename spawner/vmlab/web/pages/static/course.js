// The course on the home page: its exercises, the trainee's own progress, and where to go on.

import { count, currentIn, exerciseUrl } from "./course-model.js";
import { texts } from "./course-text.js";
import { byId, given, icon, make } from "./dom.js";
import { call } from "./hub-api.js";
import { localized } from "./words.js";

/** @import { Exercise, Outline, OwnCourse } from "../types" */
/** @import { Attributes } from "./dom.js" */

const root = byId("vm-course");
const urls = { spawnUrl: given(root, "spawnUrl"), labUrl: given(root, "labUrl") };
/** @type {Outline} */
let outline = { courses: [], current: null };

/**
 * @param {OwnCourse} course
 * @param {Exercise} exercise
 * @param {Attributes} attributes
 * @param {string} words
 */
function link(course, exercise, attributes, words) {
  return make("a", { ...attributes, href: exerciseUrl(urls, course, exercise) }, words);
}

/** @param {OwnCourse} course */
function drawWay(course) {
  const t = texts();
  if (!outline.current) return [make("p", {}, make("strong", {}, t.allDone))];
  const exercise = currentIn(outline, course);
  if (!exercise) return [];
  const words = count(course.exercises).passed ? t.goOn : t.start;
  return [make("p", {}, link(course, exercise, { class: "btn btn-primary" }, words(localized(exercise.title))))];
}

/**
 * @param {OwnCourse} course
 * @param {Exercise} exercise
 */
function drawExercise(course, exercise) {
  const t = texts();
  const { passed, all } = count([exercise]);
  const isCurrent = currentIn(outline, course) === exercise;
  const row = make("li", isCurrent ? { "aria-current": "step" } : {});
  row.append(icon(passed === all ? "passed" : "open"), " ");
  row.append(link(course, exercise, {}, localized(exercise.title)), ` · ${t.steps(passed, all)}`);
  if (isCurrent) row.append(make("strong", {}, ` ← ${t.here}`));
  return row;
}

/** @param {OwnCourse} course */
function drawCourse(course) {
  const t = texts();
  const { passed, all } = count(course.exercises);
  const title = localized(course.title);
  return [
    make("h2", { class: "h4" }, title),
    make("progress", { class: "w-100", value: passed, max: all, "aria-label": t.progress(title) }),
    make("p", {}, t.steps(passed, all)),
    ...drawWay(course),
    make("ol", { class: "list-unstyled" }, ...course.exercises.map((each) => drawExercise(course, each))),
  ];
}

function draw() {
  root.replaceChildren(...outline.courses.flatMap(drawCourse));
  root.hidden = !outline.courses.length;
}

async function look() {
  try {
    outline = await call(given(root, "coursesUrl"));
    draw();
  } catch (error) {
    console.warn("course:", error); // the machine can be started all the same
  }
}

document.addEventListener("vmlab-language", draw);
document.addEventListener("visibilitychange", () => document.hidden || look());
look();
