// What the page of one's own data says, in both languages.

import { chooser } from "./words.js";

export const texts = chooser({
  en: {
    keeping: "Keeping the present state …",
    notKept: "It could not be kept just now. Try again in a minute.",
    full: "You have already kept ten states, or as many as there is room for. Delete one of them first, or try again in a minute.",
    title: (/** @type {string} */ when) => `Replace your files with the state of ${when}?`,
    all: "All files in your home folder are put back as they were then.",
    kept: "What is there now is not lost: it is kept as an earlier state for 14 days.",
    stops: "Your machine is stopped for this. Save your work first.",
    yes: "Replace my files with this state",
    no: "Leave everything as it is",
    close: "Close",
    stopping: "Switching your machine off …",
    restoring: "Replacing your files …",
    done: "Done.",
    failed: "That failed; your files are as they were. Try again in a minute, or tell a facilitator.",
    deleteTitle: (/** @type {string} */ when) => `Delete the state of ${when}?`,
    deleteText: "Your files stay as they are now; only this earlier state is deleted, permanently.",
    deleteIt: "Delete this state",
  },
  fr: {
    keeping: "Conservation de l'état actuel …",
    notKept: "Il n'a pas pu être conservé pour l'instant. Réessayez dans une minute.",
    full: "Vous avez déjà conservé dix états, ou autant que la place le permet. Supprimez-en un d'abord, ou réessayez dans une minute.",
    title: (when) => `Remplacer vos fichiers par l'état du ${when}\u202f?`,
    all: "Tous les fichiers de votre dossier personnel redeviennent ce qu'ils étaient alors.",
    kept: "Ce qui s'y trouve maintenant n'est pas perdu\u202f: c'est conservé comme état antérieur pendant 14 jours.",
    stops: "Votre machine est arrêtée pour cela. Enregistrez d'abord votre travail.",
    yes: "Remplacer mes fichiers par cet état",
    no: "Tout laisser tel quel",
    close: "Fermer",
    stopping: "Extinction de votre machine …",
    restoring: "Remplacement de vos fichiers …",
    done: "C'est fait.",
    failed: "L'opération a échoué\u202f; vos fichiers n'ont pas changé. Réessayez dans une minute, ou prévenez un encadrant.",
    deleteTitle: (when) => `Supprimer l'état du ${when}\u202f?`,
    deleteText: "Vos fichiers restent tels quels\u202f; seul cet état antérieur est supprimé, définitivement.",
    deleteIt: "Supprimer cet état",
  },
});
