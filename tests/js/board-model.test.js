import assert from "node:assert/strict";
import { test } from "node:test";

import {
  awaitedCourse,
  chosenView,
  countKinds,
  describeRows,
  groupSteps,
  passedBy,
  percent,
  rememberView,
  sortRows,
  stepState,
} from "#pages/board-model.js";

import { HOSTILE_NAMES, makeBoard, makeRow, makeStep } from "./boards.js";

/** @import { Begun, BoardRow, Kind } from "#types" */

/** @param {Partial<Begun>} facts */
const begun = (facts) => ({ course: "other", total: 2, passed: 1, last_progress: 0, last_tried: 0, ...facts });

// The course has two steps, was published at 50, and it is 3000 now; stuck is who did nothing for 10 minutes.
/** @type {[string, Partial<BoardRow>, Kind, number][]} */
const KINDS = [
  ["all steps are passed", { passed: 2, last_progress: 500, since: 200 }, "finished", 2500],
  ["more are passed than there are", { passed: 3, last_progress: 500, since: 200 }, "finished", 2500],
  ["a machine that is off, all passed", { passed: 2, state: "stopped", since: 0 }, "finished", 2950],
  ["just before the threshold", { last_progress: 2401 }, "working", 599],
  ["at the threshold", { last_progress: 2400 }, "stuck", 600],
  ["no step yet, machine on for long", { since: 1000 }, "stuck", 2000],
  ["no step yet, machine just on", { since: 2900 }, "working", 100],
  ["progress of before the machine was on", { since: 2900, last_progress: 100 }, "working", 100],
  ["waiting in the line", { state: "waiting", place: 3 }, "changing", 2000],
  ["starting", { state: "starting" }, "changing", 2000],
  ["being stopped", { state: "pending" }, "changing", 2000],
  ["off", { state: "stopped" }, "off", 2000],
  ["never started", { state: "absent", since: 0 }, "off", 2950],
  ["unknown, with progress", { state: "unknown", since: 0, last_progress: 2900 }, "working", 100],
  ["unknown, without progress", { state: "unknown", since: 0 }, "off", 2950],
  ["a state of a newer version", { state: "frozen" }, "off", 2000],
  ["a clock that is ahead", { last_progress: 9000 }, "working", 0],
  ["busy in another course", { begun: [begun({ last_tried: 10, last_progress: 2900 })] }, "working", 100],
  ["stuck in another course", { begun: [begun({ last_tried: 10 })] }, "stuck", 2000],
  ["all done here, busy elsewhere", { passed: 2, begun: [begun({ last_tried: 10, last_progress: 2990 })] }, "working", 10],
  ["all done here and elsewhere", { passed: 2, begun: [begun({ last_tried: 10, passed: 2 })] }, "finished", 2000],
];

for (const [what, facts, kind, idle] of KINDS) {
  test(`who is stuck: ${what}`, () => {
    const [row] = describeRows(makeBoard([makeRow("ada", facts)]), 10);
    assert.deepEqual([row?.kind, row?.idle], [kind, idle]);
  });
}

// The course shown was published a moment ago, at 2950: who began another one is judged by that.
/** @type {[string, Partial<BoardRow>, Kind, number][]} */
const JUST_PUBLISHED = [
  ["gets on in another course, whatever the one shown says", { begun: [begun({ last_progress: 2900, last_tried: 2900 })] }, "working", 100],
  ["is stuck there, although the course shown is done", { passed: 2, begun: [begun({ last_progress: 2000, last_tried: 2900 })] }, "stuck", 1000],
  ["is stuck there, although nothing was passed", { begun: [begun({ passed: 0, last_progress: null, last_tried: 2900 })], since: 2000 }, "stuck", 1000],
  ["has done the other one, too", { passed: 2, begun: [begun({ passed: 2, last_progress: 1500, last_tried: 1500 })] }, "finished", 50],
  [
    "left the other one behind for the one shown",
    {
      begun: [
        begun({ last_progress: 500, last_tried: 500 }),
        begun({ course: "first", last_progress: 2900, last_tried: 2900 }),
      ],
    },
    "working",
    50,
  ],
  ["has done the other one long ago", { begun: [begun({ passed: 2, last_progress: 1500, last_tried: 1500 })] }, "working", 50],
];

for (const [what, facts, kind, idle] of JUST_PUBLISHED) {
  test(`stuck is who gets on in no course: ${what}`, () => {
    const board = makeBoard([makeRow("ada", facts)]);
    board.course.published = 2950;
    assert.deepEqual(describeRows(board, 10).map((row) => [row.kind, row.idle]), [[kind, idle]]);
  });
}

test("nobody is stuck without a course or work in one", () => {
  const board = { ...makeBoard([makeRow("ada"), makeRow("bob", { begun: [begun({ last_tried: 10 })] })]), course: null };
  assert.deepEqual(describeRows(board, 10).map((row) => [row.kind, row.total]), [["working", 0], ["stuck", 0]]);
});

test("a course that was published later gives everybody time", () => {
  const board = makeBoard([makeRow("ada", { since: 100, last_progress: 200 })]);
  assert.equal(board.course?.published, 50);
  board.course.published = 2990;
  assert.deepEqual(describeRows(board, 10).map((row) => [row.kind, row.idle]), [["working", 10]]);
});

test("rows of an older hub have no courses that were begun", () => {
  const { begun: _, ...old } = makeRow("ada", { last_progress: 2900 });
  const board = makeBoard([/** @type {BoardRow} */ (old)]);
  assert.deepEqual(describeRows(board, 10).map((row) => [row.kind, row.begun, row.elsewhere]), [["working", [], null]]);
});

test("of several courses the one tried last counts", () => {
  const row = makeRow("ada", { begun: [begun({ course: "a", last_tried: 5 }), begun({ course: "b", last_tried: 9 }), begun({ course: "c" })] });
  assert.equal(describeRows(makeBoard([row]), 10)[0]?.elsewhere?.course, "b");
});

test("of two courses tried in the same second it is the first, and one never tried is none", () => {
  const elsewhere = (/** @type {Begun[]} */ ...courses) =>
    describeRows(makeBoard([makeRow("ada", { begun: courses })]), 10)[0]?.elsewhere?.course;
  assert.equal(elsewhere(begun({ course: "a", last_tried: 5 }), begun({ course: "b", last_tried: 5 })), "a");
  assert.equal(elsewhere(begun({ course: "a", last_tried: 0 })), undefined);
});

const ROOM = makeBoard([
  makeRow("done", { passed: 2, last_progress: 500, since: 200 }),
  makeRow("late", { since: 2900 }),
  makeRow("long-stuck"),
  makeRow("off", { state: "stopped", since: 0, last_progress: 100, passed: 1 }),
  makeRow("starting", { state: "pending" }),
  makeRow("stuck", { last_progress: 2300, passed: 1 }),
  makeRow("stuck-too", { last_progress: 2290, passed: 1 }),
]);

/** @type {[import("#types").Sort, string[]][]} */
const ORDERS = [
  ["stuck", ["long-stuck", "stuck", "stuck-too", "late", "starting", "off", "done"]],
  ["name", ["done", "late", "long-stuck", "off", "starting", "stuck", "stuck-too"]],
  ["progress", ["late", "long-stuck", "starting", "off", "stuck", "stuck-too", "done"]],
];

for (const [sort, users] of ORDERS) {
  test(`rows by ${sort}; within a minute they do not jump about`, () => {
    const rows = describeRows(ROOM, 10);
    const before = [...rows];
    assert.deepEqual(sortRows(rows, sort).map((row) => row.user), users);
    assert.deepEqual(rows, before, "the rows that were given stay as they are");
    const shuffled = [...rows].reverse();
    assert.deepEqual(sortRows(shuffled, sort).map((row) => row.user), users, "whatever their order was");
  });
}

test("who is stuck among all kinds, and for how long", () => {
  const rows = describeRows(ROOM, 10).map((row) => [row.user, row.kind, row.idle]);
  assert.deepEqual(rows, [
    ["done", "finished", 2500],
    ["late", "working", 100],
    ["long-stuck", "stuck", 2000],
    ["off", "off", 2900],
    ["starting", "changing", 2000],
    ["stuck", "stuck", 700],
    ["stuck-too", "stuck", 710],
  ]);
});

test("each row is counted once", () => {
  const counts = countKinds(describeRows(ROOM, 10));
  assert.deepEqual(counts, { stuck: 3, working: 1, changing: 1, finished: 1, off: 1 });
  assert.deepEqual(countKinds([]), { stuck: 0, working: 0, changing: 0, finished: 0, off: 0 });
});

test("five hundred rows are described and ordered at once", () => {
  const rows = Array.from({ length: 500 }, (_, n) => makeRow(`user-${n}`, { since: (n * 7919) % 3000 }));
  const sorted = sortRows(describeRows(makeBoard(rows), 10), "stuck");
  assert.equal(new Set(sorted.map((row) => row.user)).size, 500);
  const firstWorking = sorted.findIndex((row) => row.kind === "working");
  assert.ok(sorted.slice(firstWorking).every((row) => row.kind === "working"), "all who are stuck come first");
});

test("steps are grouped by exercise, in the course's order", () => {
  const steps = [makeStep("1", "a"), makeStep("1", "b"), makeStep("2", "a"), makeStep("1", "c")];
  const groups = groupSteps(steps).map((group) => [group.exercise, group.title.en, group.steps.map(({ step }) => step)]);
  assert.deepEqual(groups, [["1", "Exercise 1", ["a", "b"]], ["2", "Exercise 2", ["a"]], ["1", "Exercise 1", ["c"]]]);
  assert.deepEqual(groupSteps([]), []);
});

test("what was done of a step", () => {
  const row = makeRow("ada", { steps: { "1/a": { passed: true, attempts: 3, at: 1 }, "1/b": { passed: false, attempts: 2, at: 1 } } });
  assert.deepEqual(stepState(row, makeStep("1", "a")), { kind: "passed", attempts: 3 });
  assert.deepEqual(stepState(row, makeStep("1", "b")), { kind: "failed", attempts: 2 });
  assert.deepEqual(stepState(row, makeStep("1", "c")), { kind: "open", attempts: 0 });
  assert.equal(passedBy([row, row, makeRow("bob")], makeStep("1", "a")), 2);
  assert.equal(passedBy([row], makeStep("1", "b")), 0);
});

/** @type {[number, number, number][]} */
const SHARES = [[0, 0, 0], [3, 0, 0], [0, 4, 0], [1, 3, 33], [2, 3, 67], [4, 4, 100], [1, 1000, 0], [999, 1000, 100]];

for (const [part, whole, expected] of SHARES) {
  test(`${part} of ${whole} is ${expected} %`, () => assert.equal(percent(part, whole), expected));
}

/** @type {[string, Record<string, string>, object][]} */
const KEPT = [
  ["nothing", {}, { sort: "stuck", threshold: 10, areNamesHidden: false, course: "" }],
  ["everything", { sort: "name", threshold: "30", "hide-names": "yes", course: "c" }, { sort: "name", threshold: 30, areNamesHidden: true, course: "c" }],
  ["what is not a choice any more", { sort: "constructor", threshold: "7", "hide-names": "true" }, { sort: "stuck", threshold: 10, areNamesHidden: false, course: "" }],
  ["nonsense", { sort: "<b>", threshold: "NaN" }, { sort: "stuck", threshold: 10, areNamesHidden: false, course: "" }],
];

for (const [what, kept, expected] of KEPT) {
  test(`a browser that keeps ${what}`, () => {
    assert.deepEqual(chosenView((key, fallback) => kept[key] ?? fallback), expected);
  });
}

test("what is kept can be read again, and a choice keeps only itself", () => {
  /** @type {Map<string, string>} */
  const kept = new Map();
  const remember = (/** @type {string} */ key, /** @type {string} */ value) => void kept.set(key, value);
  rememberView({ areNamesHidden: true }, remember);
  assert.deepEqual([...kept], [["hide-names", "yes"]]);
  rememberView({ sort: "progress", threshold: 5, course: "c" }, remember);
  const view = chosenView((key, fallback) => kept.get(key) ?? fallback);
  assert.deepEqual(view, { sort: "progress", threshold: 5, areNamesHidden: true, course: "c" });
  rememberView({ areNamesHidden: false, course: "" }, remember);
  assert.deepEqual([kept.get("hide-names"), kept.get("course")], ["no", ""]);
});

test("a course that was chosen and has not come yet", () => {
  const board = makeBoard([]);
  assert.equal(awaitedCourse(null, "first"), null);
  assert.equal(awaitedCourse(board, ""), null);
  assert.equal(awaitedCourse(board, "first"), null, "it is here");
  assert.equal(awaitedCourse(board, "second")?.title.en, "Second");
  assert.equal(awaitedCourse(board, "gone"), null, "nobody waits for what is not there");
});

test("names of users are never more than names", () => {
  for (const name of HOSTILE_NAMES) {
    const [row] = describeRows(makeBoard([makeRow(name)]), 10);
    assert.equal(row?.user, name);
  }
});
