import assert from "node:assert/strict";
import { test } from "node:test";

import { stateOf } from "#pages/machine.js";
import { canStart, canStop, countWork, find, hasNone } from "#pages/people-model.js";
import { waitAfter } from "#pages/poll.js";
import { keyOf, nameOf, serverPath } from "#pages/seat.js";

import { HOSTILE_NAMES, makeRow } from "./boards.js";

/** @import { HubUser, Person } from "#types" */

/**
 * @param {string} state
 * @param {Partial<Person>} facts
 * @returns {Person}
 */
function person(state, facts = {}) {
  return { ...makeRow("ada"), state, role: "trainees", active: null, may_start: true, may_stop: true, ...facts };
}

/** State, whether a trainee's machine can be started, stopped. @type {[string, boolean, boolean][]} */
const STATES = [
  ["running", false, true],
  ["starting", false, true],
  ["pending", false, true],
  ["waiting", false, true],
  ["unknown", false, false],
  ["stopped", true, false],
  ["absent", true, false],
  ["frozen", true, false],
];

for (const [state, starts, stops] of STATES) {
  test(`what can be done with a machine that is ${state}`, () => {
    assert.deepEqual([canStart(person(state)), canStop(person(state))], [starts, stops]);
    const none = person(state, { may_start: false, may_stop: false });
    assert.deepEqual([canStart(none), canStop(none)], [false, false], "nothing without the right to it");
  });
}

test("staff without a machine is to get none", () => {
  for (const role of ["trainers", "facilitators", "administrators"]) {
    assert.equal(hasNone(person("absent", { role })), true, role);
    assert.equal(canStart(person("absent", { role })), false, role);
    assert.equal(canStart(person("stopped", { role })), true, role);
  }
  assert.equal(hasNone(person("absent")), false);
  assert.equal(hasNone(person("absent", { role: "unlisted" })), false);
});

test("a name is found by any of its letters, which are letters only", () => {
  const people = ["Ada", "Bob", "Zoë", "a.d.a", "<b>"].map((user) => ({ user }));
  const found = (/** @type {string} */ letters) => find(people, letters).map(({ user }) => user);
  assert.deepEqual(found("  AD "), ["Ada"]);
  assert.deepEqual(found("ZOË"), ["Zoë"]);
  assert.deepEqual(found("."), ["a.d.a"]);
  assert.deepEqual(found("<B"), ["<b>"]);
  assert.deepEqual(found(".*"), []);
  assert.equal(found("   ").length, people.length);
  assert.deepEqual(find([], "a"), []);
});

test("who works: within five minutes, of the machines that say so", () => {
  const rows = ["a", "b", "c", "d"].map((machine) => person("running", { machine }));
  const off = person("stopped", { machine: "e" });
  assert.deepEqual(countWork([...rows, off], { a: 0, b: 299.9, c: 300, e: 0 }), { working: 2, unknown: 1 });
  assert.deepEqual(countWork(rows, {}), { working: 0, unknown: 4 });
  assert.deepEqual(countWork([], { a: 0 }), { working: 0, unknown: 0 });
});

test("what a server is called, and where it is", () => {
  assert.equal(nameOf({ user: "ada", server: "" }), "ada");
  assert.equal(nameOf({ user: "ada", server: "gpu" }), "ada / gpu");
  assert.equal(serverPath({ user: "ada", server: "" }), "users/ada/server");
  assert.equal(serverPath({ user: "a/b?c", server: "../x" }), "users/a%2Fb%3Fc/servers/..%2Fx");
});

test("no two servers are taken for one, whatever their names", () => {
  const names = [...HOSTILE_NAMES, "a / b", "a", " / b", "b", "a b", "b c", "c", '","', ""];
  const seats = names.flatMap((user) => names.map((server) => ({ user, server })));
  assert.equal(new Set(seats.map(keyOf)).size, seats.length);
  for (const seat of seats) {
    const segments = serverPath(seat).split("/");
    assert.equal(segments.length, seat.server ? 4 : 3, "a name stays one part of the path");
    assert.equal(decodeURIComponent(segments[1] ?? ""), seat.user);
  }
});

/** @type {[string, HubUser, string][]} */
const MODELS = [
  ["no servers at all", {}, "off"],
  ["another server only", { servers: { gpu: { pending: null, ready: true } } }, "off"],
  ["one that is ready", { servers: { "": { pending: null, ready: true } } }, "running"],
  ["one that starts", { servers: { "": { pending: "spawn", ready: false } } }, "starting"],
  ["one that is stopped", { servers: { "": { pending: "stop", ready: true } } }, "stopping"],
  ["one that failed", { servers: { "": { pending: null, ready: false } } }, "off"],
];

for (const [what, user, state] of MODELS) {
  test(`the hub's model of a user with ${what}`, () => assert.equal(stateOf(user), state));
}

test("after failures it is asked less often, and never less than twice a minute", () => {
  assert.deepEqual([0, 1, 2, 3, 4, 5, 2000].map(waitAfter), [3000, 3000, 6000, 12000, 24000, 30000, 30000]);
});
