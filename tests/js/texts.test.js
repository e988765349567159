// What the pages say, in both languages: numbers, plurals, times, and that no text has a hole.

import assert from "node:assert/strict";
import { test } from "node:test";

import { idleWords, labelOf, limitedWords, problemWords, remarks, stepWords } from "#pages/board-cells.js";
import { clock, duration, texts as boardTexts } from "#pages/board-text.js";
import { texts as breakTexts } from "#pages/break-text.js";
import { texts as courseTexts } from "#pages/course-text.js";
import { texts as dataTexts } from "#pages/data-text.js";
import { texts as homeTexts } from "#pages/home-text.js";
import { texts as lockedTexts, whenWords } from "#pages/locked-text.js";
import { foundWords, peopleTexts, roleWords, seenWords } from "#pages/people-text.js";
import { texts as machinesTexts } from "#pages/machines-text.js";
import { refusalWords, stageWords, texts as renewTexts } from "#pages/renew-text.js";
import { leftWords, rough, texts as startTexts, timeWords } from "#pages/start-text.js";
import { stateTexts, stateWords } from "#pages/state.js";
import { localized } from "#pages/words.js";
import { textsOf as courseTextsOf, languageOf, wayWords } from "#lab-course/words.js";
import { isLanguage, textsOf as labTextsOf } from "#lab/words.js";

import { HOSTILE_NAMES, makeBoard } from "./boards.js";

/** @typedef {"en" | "fr"} Language */

/** @type {Language[]} */
const LANGUAGES = ["en", "fr"];
/** @type {Record<string, (language: Language) => object>} */
const TABLES = {
  board: boardTexts,
  break: breakTexts,
  course: courseTexts,
  data: dataTexts,
  home: homeTexts,
  locked: lockedTexts,
  machines: machinesTexts,
  people: peopleTexts,
  renew: renewTexts,
  start: startTexts,
  state: stateTexts,
  "JupyterLab's": labTextsOf,
  "the course's in JupyterLab": courseTextsOf,
};

/**
 * All texts of a table, by name; what is put into one is counted from 3 on.
 * @param {object} table
 * @returns {[string, string, number][]} name, text, number of what is put in
 */
function listTexts(table, prefix = "") {
  return Object.entries(table).flatMap(([name, value]) => {
    if (typeof value === "object") return listTexts(value, `${prefix}${name}.`);
    const holes = typeof value === "function" ? value.length : 0;
    const text = holes ? value(...[3, 4, 5].slice(0, holes)) : value;
    return [/** @type {[string, string, number]} */ ([prefix + name, text, holes])];
  });
}

const WORDLESS = new Set(["start: words.waiting"]);
const NUMBERLESS = new Set(["people: noStop"]); // one word for one, another for several

for (const [name, table] of Object.entries(TABLES)) {
  test(`texts of ${name} are whole, and the same in both languages`, () => {
    const [en = [], fr = []] = LANGUAGES.map((language) => listTexts(table(language)));
    assert.ok(en.length > 1);
    assert.deepEqual(en.map(([key]) => key), fr.map(([key]) => key));
    [...en, ...fr].forEach(([key, text, holes]) => {
      if (!WORDLESS.has(`${name}: ${key}`)) assert.ok(text.trim(), key);
      assert.doesNotMatch(text, /undefined|NaN|\[object|null/, key);
      if (NUMBERLESS.has(`${name}: ${key}`)) return;
      for (const hole of [3, 4, 5].slice(0, holes)) assert.ok(text.includes(String(hole)), `${key} says what it is told`);
    });
    for (const [key, text] of fr) assert.doesNotMatch(text, /[^\u202f][?!;:»](\s|$)/, `${key}: a narrow no-break space before`);
  });
}

test("texts take what they are told for text", () => {
  for (const language of LANGUAGES) {
    for (const name of HOSTILE_NAMES) {
      assert.ok(boardTexts(language).openOf(name).includes(name));
      assert.ok(peopleTexts(language).stopTitle(name).includes(name));
      assert.ok(wayWords(name, true, language).endsWith(`: ${name}`));
    }
  }
});

/** @type {[number, string, string][]} */
const DURATIONS = [
  [0, "under 1 min", "moins d'une min"],
  [59.9, "under 1 min", "moins d'une min"],
  [60, "1 min", "1 min"],
  [119, "1 min", "1 min"],
  [3599, "59 min", "59 min"],
  [3600, "1 h 0 min", "1 h 0 min"],
  [7265, "2 h 1 min", "2 h 1 min"],
  [1e9, "277777 h 46 min", "277777 h 46 min"],
  [-5, "under 1 min", "moins d'une min"],
];

for (const [seconds, en, fr] of DURATIONS) {
  test(`${seconds} s in words, rounded down`, () => {
    assert.deepEqual(LANGUAGES.map((language) => duration(seconds, boardTexts(language))), [en, fr]);
  });
}

test("a time of day, as it is written in each language", () => {
  const noon = new Date(2026, 10, 29, 13, 5, 9).getTime() / 1000;
  assert.deepEqual(LANGUAGES.map((language) => clock(noon, language)), ["13:05:09", "13:05:09"]);
  const until = new Date(2026, 10, 29, 13, 5, 9);
  const when = (/** @type {number} */ beforeMs) =>
    LANGUAGES.map((language) => whenWords(until, new Date(until.getTime() - beforeMs), language));
  assert.deepEqual(when(1), ["at 13:05:09 (in 1 s).", "à 13:05:09 (dans 1 s)."]);
  assert.deepEqual(when(59_001), ["at 13:05:09 (in 60 s).", "à 13:05:09 (dans 60 s)."]);
  assert.deepEqual(when(0), ["now.", "maintenant."]);
  assert.deepEqual(when(-5000), ["now.", "maintenant."]);
});

/**
 * What is said of 0, 1 and 2.
 * @type {[string, (language: Language, n: number) => string, string[], string[]][]}
 */
const COUNTED = [
  ["stuck", (l, n) => boardTexts(l).summary.stuck(n), ["0 stuck", "1 stuck", "2 stuck"], ["0 bloqué", "1 bloqué", "2 bloqués"]],
  ["finished", (l, n) => boardTexts(l).summary.finished(n), ["0 finished", "1 finished", "2 finished"], ["0 a terminé", "1 a terminé", "2 ont terminé"]],
  ["off", (l, n) => boardTexts(l).summary.off(n), ["0 off", "1 off", "2 off"], ["0 éteinte", "1 éteinte", "2 éteintes"]],
  ["steps at home", (l, n) => courseTexts(l).steps(0, n), ["0 of 0 steps done", "0 of 1 step done", "0 of 2 steps done"], ["0 étape sur 0", "0 étape sur 1", "0 étape sur 2"]],
  ["steps in JupyterLab", (l, n) => courseTextsOf(l).steps(n, 2), ["0 of 2 steps done", "1 of 2 steps done", "2 of 2 steps done"], ["0 étape sur 2", "1 étape sur 2", "2 étapes sur 2"]],
  ["people found", (l, n) => foundWords(n, 9, peopleTexts(l)), ["No name contains this.", "1 of 9 shown", "2 of 9 shown"], ["Aucun nom ne correspond.", "1 sur 9 affiché", "2 sur 9 affichés"]],
  ["who works", (l, n) => peopleTexts(l).workNow(n, 9), ["Nobody is working right now.", "1 of 9 is working right now.", "2 of 9 are working right now."], ["Personne ne travaille en ce moment.", "1 personne travaille en ce moment, sur 9.", "2 personnes travaillent en ce moment, sur 9."]],
  ["tries, passed", (l, n) => stepWords("passed", n, boardTexts(l)), ["passed", "passed", "passed after 2 tries"], ["réussie", "réussie", "réussie après 2 essais"]],
  ["tries, not passed", (l, n) => stepWords("failed", n, boardTexts(l)), ["not passed, 1 try", "not passed, 1 try", "not passed, 2 tries"], ["pas réussie, 1 essai", "pas réussie, 1 essai", "pas réussie, 2 essais"]],
  ["the queue", (l, n) => startTexts(l).place(n + 1), ["You are next", "You are number 2 in the queue", "You are number 3 in the queue"], ["C'est bientôt à vous", "Vous êtes numéro 2 dans la file", "Vous êtes numéro 3 dans la file"]],
];

for (const [what, say, en, fr] of COUNTED) {
  test(`plurals: ${what}`, () => {
    assert.deepEqual([0, 1, 2].map((n) => say("en", n)), en);
    assert.deepEqual([0, 1, 2].map((n) => say("fr", n)), fr);
  });
}

/** @type {[number, string, string][]} */
const LEFT = [
  [3.2, "About 4 s left", "Encore 4 s environ"],
  [19.9, "About 20 s left", "Encore 20 s environ"],
  [41, "About 45 s left", "Encore 45 s environ"],
  [40.4, "About 40 s left", "Encore 40 s environ"],
  [58, "About 1 min 0 s left", "Encore 1 min 0 s environ"],
  [3599, "About 60 min 0 s left", "Encore 60 min 0 s environ"],
];

for (const [left, en, fr] of LEFT) {
  test(`${left} s left, said roughly`, () => {
    assert.deepEqual(LANGUAGES.map((language) => leftWords(left, startTexts(language))), [en, fr]);
  });
}

test("an estimate never says less than there is, and steps grow with it", () => {
  for (let seconds = 1; seconds < 4000; seconds += 0.25) {
    assert.ok(rough(seconds) >= seconds - 0.5, String(seconds));
    assert.ok(rough(seconds) - seconds < 5, String(seconds));
    assert.ok(rough(seconds) % (seconds > 20 ? 5 : 2) === 0, String(seconds));
  }
});

test("no estimate has words, too", () => {
  const en = startTexts("en");
  assert.equal(leftWords("", en), "");
  assert.equal(leftWords("soon", en), en.soon);
  assert.equal(leftWords("noEstimate", en), en.noEstimate);
  assert.equal(timeWords(-3, en), "0 s");
  assert.equal(timeWords(59.6, en), "1 min 0 s");
});

test("a machine's state, one of a newer hub as well", () => {
  const say = (/** @type {string} */ state, place = 0) => LANGUAGES.map((l) => stateWords({ state, place }, stateTexts(l)));
  assert.deepEqual(say("absent"), ["never started", "jamais démarrée"]);
  assert.deepEqual(say("waiting", 3), ["waiting to start, number 3", "attend de démarrer, numéro 3"]);
  assert.deepEqual(say("frozen"), ["frozen", "frozen"]);
  assert.deepEqual(say("inLine"), ["inLine", "inLine"]);
  assert.deepEqual(say("constructor"), ["constructor", "constructor"]);
});

test("a role that has no word is said as it is", () => {
  assert.deepEqual(LANGUAGES.map((l) => roleWords("facilitators", peopleTexts(l))), ["facilitator", "encadrant"]);
  assert.equal(roleWords("guests", peopleTexts("fr")), "guests");
});

test("when somebody was seen last, whatever their clock says", () => {
  assert.deepEqual(LANGUAGES.map((l) => seenWords(1000, 4600, l)), ["1 h 0 min ago", "il y a 1 h 0 min"]);
  assert.deepEqual(LANGUAGES.map((l) => seenWords(null, 4600, l)), ["never", "jamais"]);
  assert.equal(seenWords(5000, 4600, "en"), "under 1 min ago");
});

/** @type {[import("#types").Kind, object, string, string][]} */
const IDLE = [
  ["finished", { progress: 5, total: 2 }, "finished", "terminé"],
  ["stuck", { progress: 5, total: 2 }, "no progress for 2 min", "aucun progrès depuis 2 min"],
  ["working", { progress: 5, total: 2 }, "2 min ago", "il y a 2 min"],
  ["working", { progress: 0, total: 2 }, "no step yet, 2 min", "aucune étape, 2 min"],
  ["working", { progress: 0, total: 0 }, "–", "–"],
  ["changing", { progress: 5, total: 2 }, "–", "–"],
  ["off", { progress: 5, total: 2 }, "–", "–"],
];

for (const [kind, facts, en, fr] of IDLE) {
  test(`last progress of a row that is ${kind}: ${en}`, () => {
    const row = { progress: 0, total: 0, ...facts, kind, idle: 120 };
    assert.deepEqual(LANGUAGES.map((l) => idleWords(row, boardTexts(l))), [en, fr]);
  });
}

test("a seat without a name, and a server with one", () => {
  const row = { user: "ada", server: "gpu", index: 4 };
  assert.equal(labelOf(row, { areNamesHidden: false }, boardTexts("en")), "ada / gpu");
  assert.deepEqual(LANGUAGES.map((l) => labelOf(row, { areNamesHidden: true }, boardTexts(l))), ["Seat 5", "Poste 5"]);
});

test("an older version of the course is said while the machine is on", () => {
  const board = makeBoard([]);
  const say = (/** @type {import("#types").Kind} */ kind, /** @type {number | null} */ version) =>
    remarks(board, { kind, elsewhere: null, course_version: version }, boardTexts("en"));
  assert.deepEqual(say("working", 1), ["has version 1 of the course; the newest is 2"]);
  assert.deepEqual(say("working", 2), []);
  assert.deepEqual(say("working", null), []);
  assert.deepEqual(say("off", 1), []);
  const none = remarks({ ...board, course: null }, { kind: "working", elsewhere: null, course_version: 1 }, boardTexts("en"));
  assert.deepEqual(none, []);
});

test("a machine that floods is named so that hidden names stay hidden", () => {
  const row = { limited: [{ label: "node1", name: "node1.ada" }] };
  const say = (/** @type {boolean} */ areNamesHidden) => LANGUAGES.map((l) => limitedWords(row, { areNamesHidden }, boardTexts(l)));
  assert.deepEqual(say(false), [
    ["node1.ada sends more than the network allows: limited"],
    ["node1.ada envoie plus que le réseau ne le permet\u202f: limitée"],
  ]);
  assert.ok(!say(true).flat().join().includes("ada"));
});

test("what is wrong with a machine beside the desk is told with its name", () => {
  const machines = [{ label: "node1", state: "running", problem: "" }, { label: "node2", state: "stopped", problem: "killed" }];
  assert.deepEqual(LANGUAGES.map((l) => problemWords({ machines }, boardTexts(l))), [["node2: killed"], ["node2\u202f: killed"]]);
});

test("renewing says how far it got, and why not", () => {
  const message = { en: "no room", fr: "pas de place" };
  assert.deepEqual(LANGUAGES.map((l) => stageWords({ stage: "failed", message }, l)), ["no room", "pas de place"]);
  assert.equal(stageWords({ stage: "failed", message: null }, "en"), renewTexts("en").failed);
  assert.equal(stageWords({ stage: "aside" }, "fr"), renewTexts("fr").stages.aside);
  assert.equal(stageWords({ stage: "" }, "en"), renewTexts("en").forgotten);
  const en = renewTexts("en");
  assert.deepEqual([404, 409, 500, 0].map((status) => refusalWords(status, en)), [en.refused, en.busy, en.failed, en.failed]);
});

test("a title in one language only is shown in that one", () => {
  assert.equal(localized({ en: "Title", fr: "Titre" }, "fr"), "Titre");
  assert.equal(localized({ en: "Title", fr: "" }, "fr"), "Title");
});

test("what JupyterLab calls its language", () => {
  const codes = ["fr", "fr-FR", "FR_CA", "en", "en-GB", "default", "", "de"];
  assert.deepEqual(codes.map(languageOf), ["fr", "fr", "fr", "en", "en", "en", "en", "en"]);
  assert.deepEqual(["fr", "en", "de", "", null, undefined, "constructor"].map(isLanguage), [true, true, ...Array(5).fill(false)]);
});

test("the way to the exercise, with a title that looks like more", () => {
  assert.equal(wayWords("A : B", false, "en"), "Start here: A : B");
  assert.equal(wayWords("A : B", true, "fr"), "Continuer ici\u202f: A : B");
});
