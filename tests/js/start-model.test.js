import assert from "node:assert/strict";
import { test } from "node:test";

import { advance, bounded, leftAt, opened, percentAt, stageKinds } from "#pages/start-model.js";

/** @import { StartEvent } from "#types" */

/**
 * What is known after these events, each a second after the one before.
 * @param {StartEvent[]} events
 */
function after(...events) {
  return events.reduce((start, event, n) => advance(start, event, 101 + n), opened(100));
}

test("nothing is known when the page is opened", () => {
  const start = opened(100);
  assert.equal(leftAt(start, 105), "");
  assert.equal(percentAt(start, 105), 0);
});

test("the bar goes to the end of its phase, and waits there", () => {
  const start = after({ phase: "boot", progress: 20, progress_end: 60, phase_s: 10 });
  assert.deepEqual([100, 101, 106, 111, 500].map((now) => percentAt(start, now)), [16, 20, 40, 60, 60]);
});

test("an event that was under way for a while counts from when it was made", () => {
  const start = after({ phase: "boot", progress: 0, progress_end: 50, phase_s: 10, age_s: 5, elapsed_s: 30, eta_s: 20 });
  assert.deepEqual([start.at, start.began], [96, 66]);
  assert.equal(percentAt(start, 101), 25);
  assert.equal(leftAt(start, 101), 15);
});

test("nothing is whole while somebody waits for it", () => {
  assert.equal(percentAt(after({ phase: "server", progress: 100, progress_end: 100 }), 101), 99);
  assert.equal(percentAt(after({ phase: "ready", progress: 100, ready: true }), 101), 100);
});

test("a word of the hub's own between two phases moves the bar only", () => {
  const start = after({ phase: "boot", eta_s: 30, progress: 10 }, { progress: 12, message: "still there" });
  assert.deepEqual([start.phase, start.eta, start.bar.from], ["boot", 30, 12]);
});

/** What comes from outside as a number, and may be anything. @type {unknown[]} */
const ODD = [undefined, null, "", "12", NaN, Infinity, -Infinity, {}, [], [7], true, "<b>", () => 1];

for (const odd of ODD) {
  test(`a number that is none: ${String(odd)} (${typeof odd})`, () => {
    assert.equal(bounded(odd, 0, 10, null), null);
    const known = { phase: "boot", progress: 10, progress_end: 20, phase_s: 5, eta_s: 9, elapsed_s: 4 };
    const start = after(known, {
      phase: "server", progress: odd, progress_end: odd, phase_s: odd, eta_s: odd, elapsed_s: odd, age_s: odd, position: odd,
    });
    assert.deepEqual(start.bar, { from: 10, to: 10, seconds: 0 });
    assert.deepEqual([start.place, start.eta, start.began, start.at], [0, null, 97, 102]);
    assert.equal(leftAt(start, 103), "longer");
  });
}

test("numbers beyond all bounds", () => {
  const start = after({ phase: "queue", progress: 1e300, progress_end: -5, phase_s: -1, eta_s: -9, position: -3, age_s: -100 });
  assert.deepEqual(start.bar, { from: 99, to: 99, seconds: 0 });
  assert.deepEqual([start.place, start.eta, start.at], [0, 0, 101]);
});

/** Events, seconds after the last one, what is said. @type {[string, StartEvent[], number, ReturnType<typeof leftAt>][]} */
const LEFT = [
  ["a phase without an estimate", [{ phase: "boot" }], 0, "unknown"],
  ["an estimate", [{ phase: "boot", eta_s: 40 }], 10, 30],
  ["an estimate that is nearly over", [{ phase: "boot", eta_s: 40 }], 37, "soon"],
  ["one that is just over", [{ phase: "boot", eta_s: 40 }], 42.9, "soon"],
  ["one that was too short", [{ phase: "boot", eta_s: 40 }], 43, "longer"],
  ["one that is taken back", [{ phase: "boot", eta_s: 40 }, { phase: "server" }], 0, "longer"],
  ["the line", [{ phase: "queue", position: 3 }], 0, "noEstimate"],
  ["the line, with an estimate", [{ phase: "queue", position: 3, eta_s: 90 }], 0, 90],
];

for (const [what, events, later, said] of LEFT) {
  test(`the time left: ${what}`, () => assert.equal(leftAt(after(...events), 100 + events.length + later), said));
}

const STAGES = ["image disk volume", "power boot", "server", "ready", ""];

/** @type {[string, string[]][]} */
const REACHED = [
  ["", ["waiting", "waiting", "waiting", "waiting", "waiting"]],
  ["queue", ["waiting", "waiting", "waiting", "waiting", "waiting"]],
  ["disk", ["current", "waiting", "waiting", "waiting", "waiting"]],
  ["boot", ["done", "current", "waiting", "waiting", "waiting"]],
  ["ready", ["done", "done", "done", "current", "waiting"]],
  ["oo", ["waiting", "waiting", "waiting", "waiting", "waiting"]],
];

for (const [phase, kinds] of REACHED) {
  test(`stages in the phase "${phase}"`, () => assert.deepEqual(stageKinds(STAGES, phase), kinds));
}
