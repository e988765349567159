// What a locked log-in page says, in both languages.

import { chooser, language } from "./words.js";

export const texts = chooser({
  en: {
    until: (/** @type {string} */ time, /** @type {number} */ seconds) => `at ${time} (in ${seconds} s).`,
    over: "now.",
  },
  fr: {
    until: (time, seconds) => `à ${time} (dans ${seconds} s).`,
    over: "maintenant.",
  },
});

/**
 * When the page can be used again.
 * @param {Date} until
 * @param {Date} now
 */
export function whenWords(until, now, inLanguage = language()) {
  const t = texts(inLanguage);
  const seconds = Math.ceil((until.getTime() - now.getTime()) / 1000);
  return seconds > 0 ? t.until(until.toLocaleTimeString(inLanguage, { hour12: false }), seconds) : t.over;
}
