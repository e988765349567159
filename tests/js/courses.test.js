// A trainee's course on the home page and in JupyterLab, and which headings of a text are shown.

import assert from "node:assert/strict";
import { test } from "node:test";

import { count, currentIn, exerciseUrl } from "#pages/course-model.js";
import { languagesOf, pickHeadings } from "#lab/headings.js";
import { Courses, count as countInLab } from "#lab-course/model.js";

import { HOSTILE_NAMES } from "./boards.js";

/** @param {...boolean} passed */
const steps = (...passed) => passed.map((each, n) => ({ name: `s${n}`, title: { en: "S", fr: "É" }, passed: each }));

/**
 * @param {string} folder
 * @param {...boolean} passed
 */
const exercise = (folder, ...passed) => ({
  folder,
  title: { en: `${folder} in English`, fr: `${folder} en français` },
  steps: steps(...passed),
  notebook: `first/${folder}/exercise.ipynb`,
});

const FIRST = {
  name: "first",
  version: 1,
  title: { en: "First", fr: "Premier" },
  delivered: true,
  exercises: [exercise("01-a", true, true), exercise("02-b", true, false), exercise("deep/03-c")],
};

test("steps are counted over all exercises, in both places alike", () => {
  for (const counter of [count, countInLab]) {
    assert.deepEqual(counter(FIRST.exercises), { passed: 3, all: 4 });
    assert.deepEqual(counter([]), { passed: 0, all: 0 });
    assert.deepEqual(counter([exercise("empty")]), { passed: 0, all: 0 });
  }
});

test("the exercise to continue with is looked for in its own course only", () => {
  const current = { course: "first", exercise: "02-b" };
  assert.equal(currentIn({ current }, FIRST), FIRST.exercises[1]);
  assert.equal(currentIn({ current }, { ...FIRST, name: "second" }), null);
  assert.equal(currentIn({ current: { ...current, exercise: "gone" } }, FIRST), null);
  assert.equal(currentIn({ current: null }, FIRST), null);
});

test("the way to an exercise keeps every name one value, whatever it is", () => {
  const urls = { spawnUrl: "/hub/spawn/ada", labUrl: "/hub/user-redirect/lab" };
  for (const name of HOSTILE_NAMES.filter((each) => !each.includes("/"))) {
    const url = new URL(exerciseUrl(urls, { name }, { folder: name }), "http://lab");
    assert.equal(url.pathname, "/hub/spawn/ada");
    assert.deepEqual([...url.searchParams.keys()], ["next"]);
    const next = new URL(url.searchParams.get("next") ?? "", "http://lab");
    assert.equal(next.pathname, "/hub/user-redirect/lab");
    assert.deepEqual([...next.searchParams], [["exercise", `${name}/${name}`]]);
  }
});

/** Courses that know this already. @param {Partial<import("#lab-course/model.js").Outline>} outline */
async function known(outline) {
  const courses = new Courses(async () => ({ courses: [FIRST], current: null, ...outline }));
  await courses.take();
  return courses;
}

test("a tab has the exercise's title, a kept copy its version as well", async () => {
  const courses = await known({});
  /** @type {[string, string | null][]} */
  const paths = [
    ["first/01-a/exercise.ipynb", "01-a en français"],
    ["first/01-a/exercise.v2.ipynb", "01-a en français (v2)"],
    ["first/01-a/exercise.v2-1.ipynb", "01-a en français (v2-1)"],
    ["first/deep/03-c/exercise.ipynb", "deep/03-c en français"],
    ["first/01-a/other.ipynb", null],
    ["first/01-a/exercise.vx.ipynb", null],
    ["second/01-a/exercise.ipynb", null],
    ["x/first/01-a/exercise.ipynb", null],
    ["exercise.ipynb", null],
    ["", null],
  ];
  assert.deepEqual(paths.map(([path]) => [path, courses.titleAt(path, "fr")]), paths);
});

test("what is published and not here yet is on its way", async () => {
  assert.equal((await known({})).isComing, false);
  assert.equal((await known({ courses: [FIRST, { ...FIRST, name: "second", delivered: false }] })).isComing, true);
  assert.equal((await known({ courses: [] })).isComing, false);
});

test("the exercise to continue with, if it is there", async () => {
  const at = async (/** @type {string} */ course, /** @type {string} */ folder) =>
    (await known({ current: { course, exercise: folder } })).current?.exercise.folder;
  assert.equal(await at("first", "02-b"), "02-b");
  assert.equal(await at("first", "gone"), undefined);
  assert.equal(await at("gone", "02-b"), undefined);
});

test("what was known stays when the hub is away; only what changed is told", async () => {
  let isAway = false;
  const courses = new Courses(async () => {
    if (isAway) throw new Error("502");
    return { courses: [FIRST], current: null };
  });
  let told = 0;
  courses.listeners.add(() => (told += 1));
  await courses.take();
  await courses.take();
  assert.deepEqual([told, courses.isLost, courses.all.length], [1, false, 1]);
  isAway = true;
  await courses.take();
  await courses.take();
  assert.deepEqual([told, courses.isLost, courses.all.length], [2, true, 1]);
});

/** @type {[string, string, string[]][]} */
const SOURCES = [
  ["no language", "# A\ntext", ["", ""]],
  ["both", '<div lang="en">\n# A\n</div>\n<div lang="fr">\n# B\n</div>\n# C', ["en", "en", "en", "fr", "fr", "fr", ""]],
  ["boxes inside", '<div lang="en">\n<div>\n</div>\n# A\n</div>\n# C', ["en", "en", "en", "en", "en", ""]],
  ["code that looks like it", '<div lang="en">\n```\n</div>\n```\n# A\n</div>', ["en", "en", "en", "en", "en", "en"]],
  ["a fence in a fence", '~~~\n```\n<div lang="fr">\n~~~\n# A', ["", "", "", "", ""]],
  ["other attributes", "<div class=x lang='fr' id=y>\n# A\n</div>", ["fr", "fr", "fr"]],
  ["one that is never closed", '<div lang="en">\n# A', ["en", "en"]],
  ["more ends than beginnings", '</div></div>\n<div lang="fr">\n</div></div></div>\n# C', ["", "fr", "fr", ""]],
  ["an empty one", "", [""]],
];

for (const [what, source, languages] of SOURCES) {
  test(`the language of each line of a text with ${what}`, () => assert.deepEqual(languagesOf(source), languages));
}

test("of headings in both languages one is shown, of others all", () => {
  const source = '<div lang="en">\n# A\n</div>\n<div lang="fr">\n# B\n</div>\n# C';
  const headings = [1, 4, 6].map((line) => ({ text: `h${line}`, line }));
  const shown = (/** @type {string} */ language) => pickHeadings(headings, source, language).map(({ text }) => text);
  assert.deepEqual(shown("en"), ["h1", "h6"]);
  assert.deepEqual(shown("fr"), ["h4", "h6"]);
  assert.deepEqual(shown("de"), ["h1", "h4", "h6"], "not in this text");
  assert.deepEqual(pickHeadings([{ text: "of an output" }], source, "en"), [{ text: "of an output" }]);
});

test("a text of a hundred thousand lines takes no time that one would notice", () => {
  const source = '<div lang="en">\n'.repeat(100_000);
  const began = performance.now();
  assert.equal(languagesOf(source).length, 100_001);
  assert.ok(performance.now() - began < 60_000);
});
