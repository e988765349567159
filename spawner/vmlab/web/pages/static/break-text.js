// What the board says of a break, in both languages.

import { chooser } from "./words.js";

export const texts = chooser({
  en: {
    length: "Break",
    minutes: (/** @type {number} */ n) => `${n} minutes`,
    begin: "Declare a break",
    on: (/** @type {string} */ until) => `Break until ${until}: no idle machine is stopped.`,
    end: "End the break",
    failed: "The break could not be changed. Reload the page and try again.",
  },
  fr: {
    length: "Pause",
    minutes: (n) => `${n} minutes`,
    begin: "Déclarer une pause",
    on: (until) => `Pause jusqu'à ${until}\u202f: aucune machine inactive n'est arrêtée.`,
    end: "Terminer la pause",
    failed: "La pause n'a pas pu être changée. Rechargez la page et réessayez.",
  },
});
