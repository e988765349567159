// The machines of a group: the picture of who is connected to whom, in lines and in words.

import assert from "node:assert/strict";
import { test } from "node:test";

import { furtherStates } from "#pages/board-model.js";
import { makePicture, pictureWords } from "#pages/machines-picture.js";
import { refusalWords, renewQuestion, restartQuestion, texts } from "#pages/machines-text.js";
import { shapeOf } from "#pages/state.js";

import { HOSTILE_NAMES } from "./boards.js";

/** @import { GroupMachine, MachineGroup, Picture } from "#types" */

/** @type {("en" | "fr")[]} */
const LANGUAGES = ["en", "fr"];

/**
 * @param {string} label
 * @param {Partial<GroupMachine>} facts
 * @returns {GroupMachine}
 */
function makeMachine(label, facts = {}) {
  const role = label === "desk" || label === "server" ? label : "node";
  const names = role === "server" ? { names: ["server"], own_names: [] } : { names: [`${label}.t01`], own_names: [label] };
  const may = { may_console: true, may_restart: true, may_renew: true, message: null };
  return { label, role, machine: `${label}-m`, state: "running", place: 0, address: "10.77.0.9", ...names, ...may, ...facts };
}

/**
 * @param {GroupMachine[]} machines
 * @param {"all" | "own"} meet
 * @returns {MachineGroup}
 */
const makeGroup = (machines, meet = "all") => ({ machines, network: { addresses: "10.77.0.0/16", meet } });

const FOUR = ["desk", "node1", "node2", "server"].map((label) => makeMachine(label));

/** @param {MachineGroup} group */
function picture(group) {
  const made = makePicture(group);
  assert.ok(made);
  return made;
}

test("own machines are left of the network, what is shared right of it", () => {
  const { boxes, bar, hasShared } = picture(makeGroup(FOUR));
  assert.deepEqual(boxes.map(({ label }) => label), ["desk", "node1", "node2", "server", ""]);
  assert.deepEqual(boxes.map(({ x }) => x < bar.x), [true, true, true, false, false]);
  assert.equal(hasShared, true);
});

test("each box has one line that ends at it and at the network", () => {
  const { boxes, bar, lines } = picture(makeGroup(FOUR, "own"));
  assert.equal(boxes.length, 4, "the others cannot be reached");
  lines.forEach(({ x1, x2, y }, at) => {
    const box = boxes[at];
    assert.ok(box);
    const ends = box.x < bar.x ? [box.x + box.width, bar.x] : [bar.x + bar.width, box.x];
    assert.deepEqual([x1, x2, y], [...ends, box.y + box.height / 2]);
  });
});

/**
 * Whatever overlaps or leaves the picture.
 * @param {Picture} made
 */
function findFaults({ width, height, boxes, bar }) {
  const parts = [...boxes, bar];
  const outside = parts.filter(({ x, y, width: w, height: h }) => x < 0 || y < 0 || x + w > width || y + h > height);
  const over = parts.flatMap((a, at) =>
    parts.slice(at + 1).filter((b) => a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height),
  );
  return [...outside, ...over];
}

for (const count of [0, 1, 2, 3, 8, 50]) {
  test(`nothing lies over anything else with ${count} nodes, always as wide`, () => {
    const nodes = Array.from({ length: count }, (_, at) => makeMachine(`node${at + 1}`));
    for (const shared of [[], [makeMachine("server")]]) {
      for (const meet of /** @type {const} */ (["all", "own"])) {
        const made = picture(makeGroup([makeMachine("desk"), ...nodes, ...shared], meet));
        assert.deepEqual(findFaults(made), []);
        assert.equal(made.width, 360);
      }
    }
  });
}

test("what is off is drawn otherwise, the line as well", () => {
  const { boxes, lines } = picture(makeGroup([makeMachine("desk"), makeMachine("node1", { state: "stopped" })], "own"));
  assert.deepEqual(boxes.map(({ isOn, state }) => [isOn, state]), [[true, "running"], [false, "stopped"]]);
  assert.deepEqual(lines.map(({ isOn }) => isOn), [true, false]);
});

test("long names are cut between characters, and nothing else is done with them", () => {
  for (const name of HOSTILE_NAMES) {
    const [box] = picture(makeGroup([makeMachine(name)])).boxes;
    const [shown, whole] = [[...(box?.label ?? "")], [...name]];
    assert.ok(shown.length <= 13, name);
    assert.equal(shown.slice(0, 12).join(""), whole.slice(0, 12).join(""));
  }
});

test("without a network nothing is connected, and there is nothing to say", () => {
  const group = { machines: FOUR, network: null };
  assert.equal(makePicture(group), null);
  assert.equal(pictureWords(group, "en"), "");
});

test("the picture in words, in both languages", () => {
  const machines = [makeMachine("desk"), makeMachine("node1", { state: "stopped" }), makeMachine("server")];
  assert.deepEqual(LANGUAGES.map((language) => pictureWords(makeGroup(machines), language)), [
    "The network 10.77.0.0/16 connects desk (running), node1 (off), server (running, shared by all), and the other trainees' machines.",
    "Le réseau 10.77.0.0/16 relie desk (en marche), node1 (éteinte), server (en marche, partagée par tous) et les machines des autres participants.",
  ]);
  assert.deepEqual(LANGUAGES.map((language) => pictureWords(makeGroup(machines.slice(0, 2), "own"), language)), [
    "The network 10.77.0.0/16 connects desk (running) and node1 (off). The other trainees' machines cannot be reached.",
    "Le réseau 10.77.0.0/16 relie desk (en marche) et node1 (éteinte). Les machines des autres participants ne peuvent pas être jointes.",
  ]);
});

test("what is asked before a restart says what it stops", () => {
  for (const language of LANGUAGES) {
    const t = texts(language);
    const ask = (/** @type {string} */ role) => restartQuestion({ label: "it", role }, t);
    assert.equal(ask("node").title, t.restartTitle("it"));
    assert.deepEqual(ask("node").texts, [t.restartEnds, t.restartOthers]);
    assert.deepEqual(ask("desk").texts, [t.restartEnds, t.restartDesk, t.restartOthers]);
    assert.deepEqual(ask("server").texts, [t.restartEnds, t.restartServer]);
    assert.deepEqual(ask("constructor").texts, [t.restartEnds], "a role of a newer hub");
  }
});

test("what is asked before a machine is replaced", () => {
  for (const language of LANGUAGES) {
    const t = texts(language);
    const ask = (/** @type {string} */ role) => renewQuestion({ label: "it", role }, t);
    assert.equal(ask("node").title, t.renewTitle("it"));
    assert.deepEqual(ask("node").texts, [t.renewGoes, t.renewNode, t.restartOthers]);
    assert.deepEqual(ask("desk").texts, [t.renewGoes, t.restartDesk, t.restartOthers]);
    assert.equal(ask("desk").yes, t.yesRenew);
  }
});

test("why the hub did not restart a machine", () => {
  const t = texts("en");
  const words = [403, 404, 409, 429, 500, 503, 0].map((status) => refusalWords(status, t));
  assert.deepEqual(words, [t.refused, t.refused, t.busy, t.tooMany, t.failed, t.failed, t.failed]);
});

/**
 * @param {string} desk
 * @param {[string, string][]} machines
 */
const told = (desk, ...machines) => furtherStates({ state: desk, machines: machines.map(([label, state]) => ({ label, state, problem: "" })) });

test("on the board machines that do the same are told together", () => {
  assert.deepEqual(told("running", ["node1", "running"], ["node2", "stopped"], ["node3", "running"]), [
    { state: "running", labels: ["node1", "node3"] },
    { state: "stopped", labels: ["node2"] },
  ]);
  assert.deepEqual(told("running", ["a", "constructor"], ["b", "__proto__"]).map(({ state }) => state), ["constructor", "__proto__"]);
  assert.deepEqual(told("running"), []);
});

test("on the board a group that rests takes the room of one machine, unless one of it does not rest", () => {
  assert.deepEqual(told("absent", ["node1", "absent"], ["node2", "absent"]), []);
  assert.deepEqual(told("stopped", ["node1", "stopped"], ["node2", "running"]), [{ state: "running", labels: ["node2"] }]);
  assert.deepEqual(told("stopped", ["node1", "absent"]), [{ state: "absent", labels: ["node1"] }]);
});

test("what waits and what is about to start have the sign of a start", () => {
  assert.deepEqual(["running", "pending", "waiting", "stopped", "constructor"].map(shapeOf), ["running", "starting", "starting", "stopped", "constructor"]);
});
