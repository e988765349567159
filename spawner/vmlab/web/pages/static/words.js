// The language that the page is shown in, and texts in it.

/** @import { Language, Localized } from "../types" */

/**
 * The language of the page. A browser that translates pages writes its own into them.
 * @returns {Language}
 */
export function language() {
  return window.vmlab.language() === "fr" ? "fr" : "en";
}

/**
 * Return what gives the texts of one language; of the page's, if none is named.
 * @template T
 * @param {Record<Language, T>} texts
 * @returns {(inLanguage?: Language) => T}
 */
export function chooser(texts) {
  return (inLanguage = language()) => texts[inLanguage];
}

/**
 * A title in both languages, as the API sends it.
 * @param {Localized} title
 */
export function localized(title, inLanguage = language()) {
  return title[inLanguage] || title.en;
}
