// What the home page says of the course, in both languages.

import { chooser } from "./words.js";

export const texts = chooser({
  en: {
    steps: (/** @type {number} */ passed, /** @type {number} */ all) => `${passed} of ${all} ${all === 1 ? "step" : "steps"} done`,
    progress: (/** @type {string} */ course) => `Your progress in ${course}`,
    start: (/** @type {string} */ title) => `Start here: ${title}`,
    goOn: (/** @type {string} */ title) => `Continue here: ${title}`,
    allDone: "All steps of all exercises are done.",
    here: "you are here",
  },
  fr: {
    steps: (passed, all) => `${passed} étape${passed > 1 ? "s" : ""} sur ${all}`,
    progress: (course) => `Votre progression dans ${course}`,
    start: (title) => `Commencer ici\u202f: ${title}`,
    goOn: (title) => `Continuer ici\u202f: ${title}`,
    allDone: "Toutes les étapes de tous les exercices sont faites.",
    here: "vous en êtes là",
  },
});
