// What a trainee reads of the course, in the language that JupyterLab speaks.

const TEXTS = {
  en: {
    labelled: (label, words) => `${label}: ${words}`,
    course: "Course",
    guide: "Guide",
    home: "VMLab Home",
    start: "Start here",
    goOn: "Continue here",
    allDone: "All steps of all exercises are done.",
    here: "you are here",
    steps: (passed, all) => `${passed} of ${all} steps done`,
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
    labelled: (label, words) => `${label}\u202f: ${words}`,
    course: "Cours",
    guide: "Guide",
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
};

/** Return "en" or "fr" for a language code of JupyterLab's, such as "fr-FR". */
export function languageOf(code) {
  const short = String(code).slice(0, 2).toLowerCase();
  return short in TEXTS ? short : "en";
}

/** Return the texts of a language. */
export function textsOf(language) {
  return TEXTS[language];
}
