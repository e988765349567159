// What a trainee reads of the course, in the language that JupyterLab speaks.

/** @import { Language } from "../../jupyterlab" */

const TEXTS = inBoth({
  en: {
    course: "Course",
    guide: "Guide",
    machines: "My Machines",
    home: "VMLab Home",
    start: "Start here",
    goOn: "Continue here",
    allDone: "All steps of all exercises are done.",
    here: "you are here",
    steps: (/** @type {number} */ passed, /** @type {number} */ all) =>
      `${passed} of ${all} ${all === 1 ? "step" : "steps"} done`,
    progress: "Your progress",
    done: "done",
    open: "to do",
    coming: "The exercises are on their way to your machine …",
    missing: "Its notebook is no longer in your home folder.",
    none: "No course has been published yet. As soon as there is one, it appears here.",
    lost: "The hub does not answer at the moment: your progress may be out of date.",
    looking: "Looking for your course …",
    launcher: "Open a terminal or an empty notebook",
  },
  fr: {
    course: "Cours",
    guide: "Guide",
    machines: "Mes machines",
    home: "Accueil VMLab",
    start: "Commencer ici",
    goOn: "Continuer ici",
    allDone: "Toutes les étapes de tous les exercices sont faites.",
    here: "vous en êtes là",
    steps: (passed, all) => `${passed} étape${passed > 1 ? "s" : ""} sur ${all}`,
    progress: "Votre progression",
    done: "faite",
    open: "à faire",
    coming: "Les exercices sont en route vers votre machine …",
    missing: "Son notebook n'est plus dans votre dossier personnel.",
    none: "Aucun cours n'est encore publié. Dès qu'il y en aura un, il apparaîtra ici.",
    lost: "Le hub ne répond pas pour le moment\u202f: votre progression n'est peut-être pas à jour.",
    looking: "Recherche de votre cours …",
    launcher: "Ouvrir un terminal ou un notebook vide",
  },
});

/**
 * The same texts in both languages: the type checker sees to it.
 * @template T
 * @param {Record<Language, T>} texts
 */
function inBoth(texts) {
  return texts;
}

/**
 * The language of our texts for a language code of JupyterLab's, such as "fr-FR".
 * @param {string} code
 * @returns {Language}
 */
export function languageOf(code) {
  return code.slice(0, 2).toLowerCase() === "fr" ? "fr" : "en";
}

/**
 * The button that leads to the exercise at which somebody is.
 * @param {string} title of the exercise
 * @param {boolean} hasBegun whether a step of the course is done
 * @param {Language} language
 */
export function wayWords(title, hasBegun, language) {
  const { goOn, start } = TEXTS[language];
  return `${hasBegun ? goOn : start}${language === "fr" ? "\u202f" : ""}: ${title}`;
}

/** @param {Language} language */
export function textsOf(language) {
  return TEXTS[language];
}
