// From the API's answer to what the board shows. No page in here: values in, values out.

/** @import { Begun, Board, BoardRow, BoardView, DescribedRow, Kind, Sort, Step } from "../types" */

/** Minutes without progress after which somebody counts as stuck. */
export const THRESHOLDS = [5, 10, 15, 20, 30];
export const DEFAULT_THRESHOLD = 10;
/** @type {Sort[]} */
export const SORTS = ["stuck", "name", "progress"];

/** @type {Kind[]} in the order in which they are counted on the page */
export const KINDS = ["stuck", "working", "changing", "finished", "off"];

/** @type {Record<Kind, number>} in the order of rows */
const RANK = { stuck: 0, working: 1, changing: 2, off: 3, finished: 4 };
const CHANGING = new Set(["starting", "pending", "waiting"]);

/**
 * Add to each row what the board says about it: `kind` (stuck, working, changing, off, finished),
 * `idle` in seconds, `total` steps of the course shown, `progress`: when the last step of any
 * course was passed, `elsewhere`: the course that is worked on, if it is another one.
 *
 * @param {Board} board
 * @param {number} thresholdMinutes
 * @returns {DescribedRow[]}
 */
export function describeRows(board, thresholdMinutes) {
  const total = board.course ? board.course.steps.length : 0;
  return board.rows.map((row, index) => {
    const begun = row.begun || [];
    const passed = [row.last_progress, ...begun.map((course) => course.last_progress)];
    const progress = Math.max(0, ...passed.map(Number));
    const elsewhere = findElsewhere(board, begun);
    const idle = idleSeconds(board, row, progress, elsewhere);
    const described = { ...row, begun, progress, elsewhere, idle, total, index };
    return { ...described, kind: kindOf(described, thresholdMinutes) };
  });
}

/**
 * The course in which a step was tried last, unless it is the one shown or all of it is done.
 * @param {Board} board
 * @param {Begun[]} begun
 */
function findElsewhere(board, begun) {
  const last = begun.reduce((a, b) => (b.last_tried > (a?.last_tried || 0) ? b : a), /** @type {Begun?} */ (null));
  if (!last || last.course === board.course?.name || last.passed >= last.total) return null;
  return last;
}

/**
 * Seconds since the last sign of progress in any course. Nobody is behind before having had a
 * chance: the clock starts when the machine was switched on and, for somebody who works on the
 * course shown, when that was published, whichever came last.
 *
 * @param {Board} board
 * @param {BoardRow} row
 * @param {number} progress
 * @param {Begun | null} elsewhere
 */
function idleSeconds(board, row, progress, elsewhere) {
  const published = board.course && !elsewhere ? board.course.published : 0;
  const began = Math.max(progress, row.since || 0, published);
  return began ? Math.max(0, board.now - began) : 0;
}

/**
 * @param {Omit<DescribedRow, "kind">} row
 * @param {number} thresholdMinutes
 * @returns {Kind}
 */
function kindOf(row, thresholdMinutes) {
  if (row.total && row.passed >= row.total && !row.elsewhere) return "finished";
  if (CHANGING.has(row.state)) return "changing";
  // With an unknown machine the progress still counts.
  const isWorking = row.state === "running" || (row.state === "unknown" && row.progress);
  if (!isWorking) return "off";
  const hasWork = row.total || row.elsewhere;
  return hasWork && row.idle >= thresholdMinutes * 60 ? "stuck" : "working";
}

/**
 * Order rows; ties always go by name, so that rows do not jump about.
 * @param {DescribedRow[]} rows
 * @param {Sort} sort
 */
export function sortRows(rows, sort) {
  /** @typedef {(a: DescribedRow, b: DescribedRow) => number} Order */
  /** @type {Order} */
  const byName = (a, b) => a.index - b.index;
  /** @type {Record<Sort, Order>} */
  const orders = {
    name: byName,
    progress: (a, b) => a.passed - b.passed || byName(a, b),
    stuck: (a, b) =>
      RANK[a.kind] - RANK[b.kind] ||
      Math.floor(b.idle / 60) - Math.floor(a.idle / 60) ||
      byName(a, b),
  };
  return [...rows].sort(orders[sort]);
}

/**
 * How many rows there are of each kind.
 * @param {DescribedRow[]} rows
 */
export function countKinds(rows) {
  /** @type {Record<Kind, number>} */
  const counts = { stuck: 0, working: 0, changing: 0, finished: 0, off: 0 };
  for (const row of rows) counts[row.kind] += 1;
  return counts;
}

/**
 * The steps grouped by exercise, in the course's order.
 * @param {Step[]} steps
 */
export function groupSteps(steps) {
  /** @type {{exercise: string, title: Step["exercise_title"], steps: Step[]}[]} */
  const groups = [];
  for (const step of steps) {
    const last = groups[groups.length - 1];
    if (last && last.exercise === step.exercise) last.steps.push(step);
    else groups.push({ exercise: step.exercise, title: step.exercise_title, steps: [step] });
  }
  return groups;
}

/**
 * What one trainee has done of one step.
 * @param {Pick<BoardRow, "steps">} row
 * @param {Pick<Step, "exercise" | "step">} step
 * @returns {{kind: "passed" | "failed" | "open", attempts: number}}
 */
export function stepState(row, step) {
  const result = row.steps[`${step.exercise}/${step.step}`];
  if (!result) return { kind: "open", attempts: 0 };
  return { kind: result.passed ? "passed" : "failed", attempts: result.attempts };
}

/**
 * How many rows have passed a step.
 * @param {Pick<BoardRow, "steps">[]} rows
 * @param {Pick<Step, "exercise" | "step">} step
 */
export function passedBy(rows, step) {
  return rows.filter((row) => stepState(row, step).kind === "passed").length;
}

/**
 * A share in whole percent, 0 of nothing.
 * @param {number} part
 * @param {number} whole
 */
export function percent(part, whole) {
  return whole ? Math.round((part / whole) * 100) : 0;
}

/**
 * What this browser chose before; what is not one of the choices (any more) is forgotten.
 * @param {(key: string, fallback: string) => string} recall
 * @returns {BoardView}
 */
export function chosenView(recall) {
  const threshold = Number(recall("threshold", ""));
  return {
    sort: SORTS.find((sort) => sort === recall("sort", "")) ?? "stuck",
    threshold: THRESHOLDS.includes(threshold) ? threshold : DEFAULT_THRESHOLD,
    areNamesHidden: recall("hide-names", "") === "yes",
    course: recall("course", ""),
  };
}

/**
 * Keep what was chosen just now in this browser, as `chosenView` reads it; another window may have
 * chosen the rest.
 * @param {Partial<BoardView>} chosen
 * @param {(key: string, value: string) => void} remember
 */
export function rememberView({ sort, threshold, areNamesHidden, course }, remember) {
  if (sort !== undefined) remember("sort", sort);
  if (threshold !== undefined) remember("threshold", String(threshold));
  if (areNamesHidden !== undefined) remember("hide-names", areNamesHidden ? "yes" : "no");
  if (course !== undefined) remember("course", course);
}

/**
 * The course that was chosen and has not come yet, if there is one.
 * @param {Board | null} board
 * @param {string} chosen
 */
export function awaitedCourse(board, chosen) {
  if (!board || !chosen || board.course?.name === chosen) return null;
  return board.courses.find(({ name }) => name === chosen) ?? null;
}

const AT_REST = new Set(["stopped", "absent", "unknown"]);

/**
 * What a row tells of the machines beside the desk: those in the same state together, in the order in
 * which the first of each comes; nothing of those that rest as the desk does.
 * @param {Pick<BoardRow, "state" | "machines">} row
 */
export function furtherStates({ state: desk, machines }) {
  /** @type {Map<string, string[]>} */
  const found = new Map();
  for (const { label, state } of machines) {
    if (state === desk && AT_REST.has(desk)) continue;
    found.set(state, [...(found.get(state) ?? []), label]);
  }
  return [...found].map(([state, labels]) => ({ state, labels }));
}
