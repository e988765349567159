// What the page of a starting machine says, in both languages.

import { chooser } from "./words.js";

/** @import { leftAt } from "./start-model.js" */

export const texts = chooser({
  en: {
    left: (/** @type {string} */ time) => `About ${time} left`,
    soon: "Almost ready",
    longer: "This is taking longer than usual, but the start goes on",
    unknown: "The time left is not known yet",
    noEstimate: "The time left is not known",
    elapsed: (/** @type {string} */ time) => `${time} so far`,
    place: (/** @type {number} */ n) => (n === 1 ? "You are next" : `You are number ${n} in the queue`),
    seconds: (/** @type {number} */ s) => `${s} s`,
    minutes: (/** @type {number} */ m, /** @type {number} */ s) => `${m} min ${s} s`,
    words: { done: "done", current: "now", waiting: "" },
    lost: "The connection was interrupted; trying again …",
    stopping: "Stopping …",
    stopFailed: "It could not be stopped; please try again or call a facilitator.",
    neutral: "Something in the start did not work.",
    cancelled: "The start was stopped.",
  },
  fr: {
    left: (time) => `Encore ${time} environ`,
    soon: "Presque prête",
    longer: "C'est plus long que d'habitude, mais cela avance",
    unknown: "Le temps restant n'est pas encore connu",
    noEstimate: "Le temps restant n'est pas connu",
    elapsed: (time) => `${time} jusqu'ici`,
    place: (n) => (n === 1 ? "C'est bientôt à vous" : `Vous êtes numéro ${n} dans la file`),
    seconds: (s) => `${s} s`,
    minutes: (m, s) => `${m} min ${s} s`,
    words: { done: "fait", current: "en cours", waiting: "" },
    lost: "La connexion a été interrompue\u202f; nouvel essai …",
    stopping: "Arrêt en cours …",
    stopFailed: "L'arrêt a échoué\u202f; réessayez ou appelez un encadrant.",
    neutral: "Quelque chose n'a pas marché pendant le démarrage.",
    cancelled: "Le démarrage a été arrêté.",
  },
});

/**
 * A time in words.
 * @param {number} seconds
 */
export function timeWords(seconds, t = texts()) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return t.seconds(whole);
  return t.minutes(Math.floor(whole / 60), whole % 60);
}

/**
 * Seconds in steps that suit an estimate: 40, not 41, 42, 39; half a second is forgiven.
 * @param {number} seconds
 */
export function rough(seconds) {
  const step = seconds > 20 ? 5 : 2;
  return Math.ceil((seconds - 0.5) / step) * step;
}

/**
 * The time that is left in words.
 * @param {ReturnType<typeof leftAt>} left
 */
export function leftWords(left, t = texts()) {
  if (typeof left === "number") return t.left(timeWords(rough(left), t));
  return left && t[left];
}
