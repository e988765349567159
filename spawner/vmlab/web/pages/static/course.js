// The course on the home page: its exercises, the trainee's own progress, and where to go on.

import { icon, make } from "./dom.js";

const TEXTS = {
  en: {
    steps: (passed, all) => `${passed} of ${all} steps done`,
    progress: (course) => `Your progress in ${course}`,
    start: (title) => `Start here: ${title}`,
    goOn: (title) => `Continue here: ${title}`,
    allDone: "All steps of all exercises are done.",
    here: "you are here",
  },
  fr: {
    steps: (passed, all) => `${passed} étape${passed > 1 ? "s" : ""} sur ${all}`,
    progress: (course) => `Votre progression dans ${course}`,
    start: (title) => `Commencer ici\u202f: ${title}`,
    goOn: (title) => `Continuer ici\u202f: ${title}`,
    allDone: "Toutes les étapes de tous les exercices sont faites.",
    here: "vous en êtes là",
  },
};

const root = document.getElementById("vm-course");
let outline = null;

function count(exercises) {
  const steps = exercises.flatMap((exercise) => exercise.steps);
  return { passed: steps.filter((step) => step.passed).length, all: steps.length };
}

function isCurrent(course, exercise) {
  return outline.current?.course === course.name && outline.current?.exercise === exercise.folder;
}

// By way of a start, which leads on at once when the machine runs. As a path of the hub's own name: the
// hub takes the machine's, as in its own user-redirect, for a link that leads elsewhere and drops it.
function link(course, exercise, attributes, text) {
  const where = new URLSearchParams({ exercise: `${course.name}/${exercise.folder}` });
  const next = new URLSearchParams({ next: `${root.dataset.labUrl}?${where}` });
  return make("a", { ...attributes, href: `${root.dataset.spawnUrl}?${next}` }, text);
}

function drawWay(course, t, language) {
  const exercise = course.exercises.find((each) => isCurrent(course, each));
  if (!exercise) return outline.current ? [] : [make("p", {}, make("strong", {}, t.allDone))];
  const words = count(course.exercises).passed ? t.goOn : t.start;
  return [make("p", {}, link(course, exercise, { class: "btn btn-primary" }, words(exercise.title[language])))];
}

function drawExercise(course, exercise, t, language) {
  const { passed, all } = count([exercise]);
  const row = make("li", isCurrent(course, exercise) ? { "aria-current": "step" } : {});
  row.append(icon(passed === all ? "passed" : "open"), " ");
  row.append(link(course, exercise, {}, exercise.title[language]), ` · ${t.steps(passed, all)}`);
  if (isCurrent(course, exercise)) row.append(make("strong", {}, ` ← ${t.here}`));
  return row;
}

function drawCourse(course, t, language) {
  const { passed, all } = count(course.exercises);
  const title = course.title[language];
  return [
    make("h2", { class: "h4" }, title),
    make("progress", { class: "w-100", value: passed, max: all, "aria-label": t.progress(title) }),
    make("p", {}, t.steps(passed, all)),
    ...drawWay(course, t, language),
    make("ol", { class: "list-unstyled" }, ...course.exercises.map((each) => drawExercise(course, each, t, language))),
  ];
}

function draw() {
  if (!outline) return;
  const language = window.vmlab.language();
  const t = TEXTS[language] || TEXTS.en;
  root.replaceChildren(...outline.courses.flatMap((course) => drawCourse(course, t, language)));
  root.hidden = !outline.courses.length;
}

async function look() {
  try {
    const response = await fetch(root.dataset.coursesUrl, {
      headers: { "X-XSRFToken": window.jhdata.xsrf_token, Accept: "application/json" },
    });
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    outline = await response.json();
    draw();
  } catch (error) {
    console.warn("course:", error); // the machine can be started all the same
  }
}

document.addEventListener("vmlab-language", draw);
document.addEventListener("visibilitychange", () => document.hidden || look());
look();
