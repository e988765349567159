// What a machine does, in a sign and in words, wherever machines are listed.

import { chooser } from "./words.js";

/** @import { Seat } from "../types" */

export const stateTexts = chooser({
  en: {
    running: "running",
    starting: "starting",
    pending: "starting or stopping",
    stopped: "off",
    absent: "never started",
    unknown: "unknown",
    inLine: (/** @type {number} */ place) => `waiting to start, number ${place}`,
  },
  fr: {
    running: "en marche",
    starting: "démarre",
    pending: "démarre ou s'arrête",
    stopped: "éteinte",
    absent: "jamais démarrée",
    unknown: "inconnu",
    inLine: (place) => `attend de démarrer, numéro ${place}`,
  },
});

/**
 * The sign of a state, for `icon`.
 * @param {string} state
 */
export const shapeOf = (state) => (state === "pending" || state === "waiting" ? "starting" : state);

/**
 * A machine's state in words; one that is not known is said as it is.
 * @param {Pick<Seat, "state" | "place">} machine
 */
export function stateWords({ state, place }, t = stateTexts()) {
  if (state === "waiting") return t.inLine(place);
  const { inLine: _, ...words } = t;
  return new Map(Object.entries(words)).get(state) ?? state;
}
