// What the hub answers for a board, as tests like it: three of everything, and names that look like more.

/** @import { Board, BoardRow, Step } from "#types" */

export const HOSTILE_NAMES = [
  "<img src=x onerror=alert(1)>",
  '"><script>alert(1)</script>',
  "__proto__",
  "constructor",
  "a/b?c=d&e#f %2f",
  "Zoë ☃ 𝔞",
  "\u202egpj.exe",
  "x".repeat(255),
];

/**
 * @param {string} exercise
 * @param {string} step
 * @returns {Step}
 */
export function makeStep(exercise, step) {
  const exercise_title = { en: `Exercise ${exercise}`, fr: `Exercice ${exercise}` };
  return { exercise, exercise_title, step, title: { en: `Step ${step}`, fr: `Étape ${step}` } };
}

/**
 * @param {string} user
 * @param {Partial<BoardRow>} facts
 * @returns {BoardRow}
 */
export function makeRow(user, facts = {}) {
  return {
    user,
    server: "",
    machine: `desk-${user}`,
    state: "running",
    place: 0,
    since: 1000,
    problem: "",
    url: "",
    machines: [],
    limited: [],
    notes: [],
    may_renew: true,
    course_version: 2,
    steps: {},
    passed: 0,
    last_progress: null,
    begun: [],
    ...facts,
  };
}

/**
 * @param {BoardRow[]} rows
 * @returns {Board & {course: NonNullable<Board["course"]>}}
 */
export function makeBoard(rows) {
  const first = { name: "first", title: { en: "First", fr: "Premier" } };
  const others = [
    { name: "second", title: { en: "Second", fr: "Deuxième" } },
    { name: "other", title: { en: "Other", fr: "Autre" } },
  ];
  const steps = [makeStep("1", "a"), makeStep("1", "b")];
  return { now: 3000, courses: [first, ...others], course: { ...first, version: 2, published: 50, steps }, shared: [], notes: [], rows };
}
