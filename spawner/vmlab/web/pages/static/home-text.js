// What the home page says of the machine, in both languages.

import { chooser } from "./words.js";

export const texts = chooser({
  en: {
    stopping: "Switching off …",
    failed: "It could not be switched off; please try again.",
  },
  fr: {
    stopping: "Extinction en cours …",
    failed: "L'extinction a échoué\u202f; réessayez.",
  },
});
