// From the API's answer to what the board shows. No page in here: values in, values out.

/** Minutes without progress after which somebody counts as stuck. */
export const THRESHOLDS = [5, 10, 15, 20, 30];
export const DEFAULT_THRESHOLD = 10;
export const SORTS = ["stuck", "name", "progress"];

const RANK = { stuck: 0, working: 1, changing: 2, off: 3, finished: 4 };
const CHANGING = new Set(["starting", "pending", "waiting"]);

/**
 * Add to each row what the board says about it:
 * `kind` (stuck, working, changing, off, finished), `idle` in seconds, `label` by name.
 */
export function describeRows(board, thresholdMinutes) {
  const total = board.course ? board.course.steps.length : 0;
  return board.rows.map((row, index) => {
    const idle = idleSeconds(board, row);
    return { ...row, idle, total, index, kind: kindOf(row, total, idle, thresholdMinutes) };
  });
}

/**
 * Seconds since the last sign of progress. Nobody is behind before having had a chance: the clock
 * starts when the machine was switched on and the course was published, whichever came last.
 */
function idleSeconds(board, row) {
  const published = board.course ? board.course.published : 0;
  const began = Math.max(row.last_progress || 0, row.since || 0, published);
  return began ? Math.max(0, board.now - began) : 0;
}

function kindOf(row, total, idle, thresholdMinutes) {
  if (total && row.passed >= total) return "finished";
  if (CHANGING.has(row.state)) return "changing";
  // With an unknown machine the progress still counts.
  const isWorking = row.state === "running" || (row.state === "unknown" && row.last_progress);
  if (!isWorking) return "off";
  return total && idle >= thresholdMinutes * 60 ? "stuck" : "working";
}

/** Order rows; ties always go by name, so that rows do not jump about. */
export function sortRows(rows, sort) {
  const byName = (a, b) => a.index - b.index;
  const orders = {
    name: byName,
    progress: (a, b) => a.passed - b.passed || byName(a, b),
    stuck: (a, b) =>
      RANK[a.kind] - RANK[b.kind] ||
      Math.floor(b.idle / 60) - Math.floor(a.idle / 60) ||
      byName(a, b),
  };
  return [...rows].sort(orders[sort] || orders.stuck);
}

/** How many rows there are of each kind. */
export function countKinds(rows) {
  const counts = { stuck: 0, working: 0, changing: 0, finished: 0, off: 0 };
  for (const row of rows) counts[row.kind] += 1;
  return counts;
}

/** The steps grouped by exercise, in the course's order. */
export function groupSteps(steps) {
  const groups = [];
  for (const step of steps) {
    const last = groups[groups.length - 1];
    if (last && last.exercise === step.exercise) last.steps.push(step);
    else groups.push({ exercise: step.exercise, title: step.exercise_title, steps: [step] });
  }
  return groups;
}

/** What one trainee has done of one step: passed, failed or open. */
export function stepState(row, step) {
  const result = row.steps[`${step.exercise}/${step.step}`];
  if (!result) return { kind: "open", attempts: 0 };
  return { kind: result.passed ? "passed" : "failed", attempts: result.attempts };
}

/** How many rows have passed a step. */
export function passedBy(rows, step) {
  return rows.filter((row) => stepState(row, step).kind === "passed").length;
}
