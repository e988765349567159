// What a trainee is told inside JupyterLab, beside what their machine says.

/** @import { Language } from "../../jupyterlab" */

const TEXTS = inBoth({
  en: {
    stopping: (/** @type {string} */ clock) => `Nobody seems to work here: your lab will be stopped at ${clock}. Nothing that you saved is lost.`,
    keep: "Keep my lab",
    kept: "Your lab stays.",
    download: "Download My Home Folder",
    data: "My Data",
    ok: "Understood",
    show: "Show in English",
    reload: "The texts are now in English; JupyterLab's own menus will follow when the page is reloaded. What you have written is saved first, and running cells keep running.",
    now: "Reload the page",
    lost: "The texts are now in English, but your choice could not be saved: the hub did not answer. Switch again in a minute.",
  },
  fr: {
    stopping: (clock) => `Personne ne semble travailler ici\u202f: votre lab sera arrêté à ${clock}. Rien de ce que vous avez enregistré n'est perdu.`,
    keep: "Garder mon lab",
    kept: "Votre lab reste ouvert.",
    download: "Télécharger mon dossier personnel",
    data: "Mes données",
    ok: "Compris",
    show: "Afficher en français",
    reload: "Les textes sont maintenant en français\u202f; les menus de JupyterLab le seront quand la page sera rechargée. Ce que vous avez écrit est d'abord enregistré, et les cellules en cours d'exécution continuent.",
    now: "Recharger la page",
    lost: "Les textes sont maintenant en français, mais votre choix n'a pas pu être enregistré\u202f: le hub n'a pas répondu. Choisissez de nouveau dans une minute.",
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

/** @param {Language} language */
export function textsOf(language) {
  return TEXTS[language];
}

/**
 * Whether there are texts in what somebody calls a language.
 * @param {unknown} word
 * @returns {word is Language}
 */
export function isLanguage(word) {
  return word === "en" || word === "fr";
}
