// What is said when a machine is replaced, in both languages.

import { chooser, language } from "./words.js";

/** @import { Renewal } from "../types" */

export const texts = chooser({
  en: {
    title: "Replace your machine with a new one?",
    titleOf: (/** @type {string} */ name) => `Replace the machine of ${name} with a new one?`,
    stays: "Kept: all files in the home folder.",
    goes:
      "Starts afresh: the system, programs installed in it, and whatever runs now. What is not saved yet is lost.",
    kept: "If there is room, the old machine is kept for a while, switched off, so that a facilitator can look into it.",
    yes: "Replace it",
    no: "Leave it as it is",
    stages: {
      stopping: "Switching the old machine off …",
      aside: "Putting the old machine aside …",
      alone: "This machine is being replaced. The others keep running.",
      starting: "The new machine is starting.",
      ready: "The new machine is running.",
      done: "The old machine is put aside.",
    },
    failed: "It could not be replaced; nothing is lost. Please tell a facilitator.",
    forgotten: "The lab was restarted in the meantime. If the old machine is still there, try again.",
    refused: "You may not replace this machine.",
    busy: "It is being replaced already.",
    close: "Close",
  },
  fr: {
    title: "Remplacer votre machine par une neuve\u202f?",
    titleOf: (name) => `Remplacer la machine de ${name} par une neuve\u202f?`,
    stays: "Restent\u202f: tous les fichiers du dossier personnel.",
    goes:
      "Repartent de zéro\u202f: le système, les programmes installés et tout ce qui tourne. Ce qui n'est pas encore enregistré est perdu.",
    kept: "S'il y a de la place, l'ancienne machine est conservée, éteinte, quelque temps\u202f: un encadrant peut l'examiner.",
    yes: "La remplacer",
    no: "La laisser telle quelle",
    stages: {
      stopping: "Extinction de l'ancienne machine …",
      aside: "Mise de côté de l'ancienne machine …",
      alone: "Cette machine est en cours de remplacement. Les autres restent en marche.",
      starting: "La machine neuve démarre.",
      ready: "La machine neuve est en marche.",
      done: "L'ancienne machine est mise de côté.",
    },
    failed: "Elle n'a pas pu être remplacée\u202f; rien n'est perdu. Prévenez un encadrant.",
    forgotten: "Le lab a redémarré entre-temps. Si l'ancienne machine est toujours là, réessayez.",
    refused: "Vous ne pouvez pas remplacer cette machine.",
    busy: "Elle est déjà en cours de remplacement.",
    close: "Fermer",
  },
});

/**
 * How far it got.
 * @param {Renewal} renewal
 */
export function stageWords({ stage, message }, inLanguage = language()) {
  const t = texts(inLanguage);
  if (stage === "failed") return message?.[inLanguage] || t.failed;
  return stage ? t.stages[stage] : t.forgotten;
}

/**
 * Why the hub did not do it.
 * @param {number} httpStatus 0: it did not answer
 */
export function refusalWords(httpStatus, t = texts()) {
  if (httpStatus === 404) return t.refused;
  return httpStatus === 409 ? t.busy : t.failed;
}
