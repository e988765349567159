// From a start's events to what its page shows. No page in here: values in, values out.
//
// Times are of the page's own clock, in seconds.

/** @import { StartEvent } from "../types" */

/**
 * What the page knows.
 *
 * @typedef {object} Start
 * @property {string} phase of the start; empty before the first one
 * @property {number} place in the queue, 1 for the next one; 0: in none
 * @property {number | null} eta seconds that were left at `at`
 * @property {boolean} hadTime whether there ever was an `eta`
 * @property {number} at when the last event was made
 * @property {number} began when the start began
 * @property {{from: number, to: number, seconds: number}} bar goes from one percentage to the next in
 *   this time, and waits there for the next event
 */

/** The seconds around the estimated end in which a start is almost ready. */
const ALMOST_S = 3;

/**
 * What is known when the page is opened.
 * @param {number} now
 * @returns {Start}
 */
export function opened(now) {
  const bar = { from: 0, to: 0, seconds: 0 };
  return { phase: "", place: 0, eta: null, hadTime: false, at: 0, began: now, bar };
}

/**
 * A number from outside, kept within bounds; `otherwise` when it is not one.
 * @template T
 * @param {unknown} value
 * @param {number} least
 * @param {number} most
 * @param {T} otherwise
 */
export function bounded(value, least, most, otherwise) {
  const isNumber = typeof value === "number" && Number.isFinite(value);
  return isNumber ? Math.max(least, Math.min(most, value)) : otherwise;
}

/**
 * What is known after an event.
 * @param {Start} start
 * @param {StartEvent} event
 * @param {number} now
 * @returns {Start}
 */
export function advance(start, event, now) {
  const at = now - bounded(event.age_s, 0, Infinity, 0);
  const most = event.ready ? 100 : 99; // nothing is whole while somebody waits for it
  const from = bounded(event.progress, 0, most, start.bar.from);
  const to = bounded(event.progress_end, from, most, from);
  const elapsed = bounded(event.elapsed_s, 0, Infinity, null);
  const eta = bounded(event.eta_s, 0, Infinity, null);
  const phase = event.phase
    ? {
        phase: event.phase,
        place: bounded(event.position, 0, Infinity, 0),
        eta,
        hadTime: start.hadTime || eta !== null,
      }
    : {};
  return {
    ...start,
    ...phase,
    at,
    began: elapsed === null ? start.began : at - elapsed,
    bar: { from, to, seconds: bounded(event.phase_s, 0, Infinity, 0) },
  };
}

/**
 * How far the bar is, in percent.
 * @param {Pick<Start, "at" | "bar">} start
 * @param {number} now
 */
export function percentAt({ at, bar }, now) {
  const done = bar.seconds > 0 ? Math.min(1, (now - at) / bar.seconds) : 0;
  return bar.from + (bar.to - bar.from) * done;
}

/**
 * What there is to say of the time that is left: seconds, that it is over soon or was longer than
 * estimated, or why there is no time: nothing to learn from yet, or not in the queue.
 *
 * @param {Pick<Start, "phase" | "place" | "eta" | "hadTime" | "at">} start
 * @param {number} now
 * @returns {number | "" | "soon" | "longer" | "unknown" | "noEstimate"}
 */
export function leftAt({ phase, place, eta, hadTime, at }, now) {
  if (eta !== null) {
    const left = eta - (now - at);
    if (left > ALMOST_S) return left;
    return left > -ALMOST_S ? "soon" : "longer";
  }
  if (!phase) return "";
  if (place) return "noEstimate";
  return hadTime ? "longer" : "unknown";
}

/**
 * How far each stage is. The last ones have no phase: they come when this page is left.
 * @param {string[]} stages the phases of each, separated by blanks
 * @param {string} phase
 * @returns {("done" | "current" | "waiting")[]}
 */
export function stageKinds(stages, phase) {
  const current = stages.findIndex((phases) => phase && phases.split(" ").includes(phase));
  return stages.map((_, position) => {
    if (position === current) return "current";
    return position < current ? "done" : "waiting";
  });
}
