// What the list of people says, in both languages.

import { duration, texts as boardTexts } from "./board-text.js";
import { chooser, language } from "./words.js";

export const peopleTexts = chooser({
  en: {
    caption: "People, their roles and machines; updated every few seconds",
    name: "Name",
    role: "Role",
    machine: "Machine",
    seen: "Last seen",
    actions: "Actions",
    roles: {
      trainees: "trainee",
      trainers: "trainer",
      facilitators: "facilitator",
      administrators: "administrator",
      unlisted: "not in lab.toml",
    },
    noMachine: "none",
    never: "never",
    start: "Start",
    startOf: (/** @type {string} */ name) => `Start the machine of ${name}`,
    stop: "Stop",
    stopOf: (/** @type {string} */ name) => `Stop the machine of ${name}`,
    find: "Find a name",
    shown: (/** @type {number} */ n, /** @type {number} */ m) => `${n} of ${m} shown`,
    nobody: "No name contains this.",
    startAll: (/** @type {number} */ n) => `Start all machines that are off (${n}) …`,
    stopAll: (/** @type {number} */ n) => `Stop all machines (${n}) …`,
    asking: "Asking the machines whether anybody is working …",
    stopTitle: (/** @type {string} */ name) => `Stop the machine of ${name}?`,
    stopAllTitle: (/** @type {number} */ n) => (n > 1 ? `Stop ${n} machines?` : "Stop 1 machine?"),
    startAllTitle: (/** @type {number} */ n) => (n > 1 ? `Start ${n} machines?` : "Start 1 machine?"),
    startAllHow: "They start a few at a time; the others wait in the queue. This can take several minutes.",
    works: "Somebody is working in it right now.",
    rests: (/** @type {string} */ time) => `Nobody has worked in it for ${time}.`,
    workNow: (/** @type {number} */ n, /** @type {number} */ m) =>
      n === 0 ? "Nobody is working right now." : `${n} of ${m} ${n > 1 ? "are" : "is"} working right now.`,
    workUnknown: (/** @type {number} */ n) => `${n} ${n > 1 ? "machines do" : "machine does"} not say whether anybody is working.`,
    workNotKnown: "It is not known whether anybody is working right now.",
    stays: "All files in the home folders are kept. What is not saved yet, and whatever is running, is lost.",
    yesStop: (/** @type {number} */ n) => (n > 1 ? `Stop ${n} machines` : "Stop the machine"),
    yesStart: (/** @type {number} */ n) => (n > 1 ? `Start ${n} machines` : "Start the machine"),
    noStop: (/** @type {number} */ n) => (n > 1 ? "Keep them running" : "Keep it running"),
    noStart: "Start none",
    close: "Close",
    going: (/** @type {number} */ n, /** @type {number} */ m) => `${n} of ${m} done …`,
    done: (/** @type {number} */ n) => (n > 1 ? `Under way for all ${n} machines.` : "Under way."),
    failedFor: (/** @type {string} */ names) => `Refused by the hub: ${names}. The hub's log says why.`,
    failed: (/** @type {string} */ name) => `The machine of ${name}: the hub refused. Its log says why.`,
    lost: "The hub does not answer. What you see may be out of date.",
  },
  fr: {
    caption: "Les personnes, leurs rôles et leurs machines\u202f; actualisé à quelques secondes d'intervalle",
    name: "Nom",
    role: "Rôle",
    machine: "Machine",
    seen: "Dernière visite",
    actions: "Actions",
    roles: {
      trainees: "participant",
      trainers: "formateur",
      facilitators: "encadrant",
      administrators: "administrateur",
      unlisted: "absent de lab.toml",
    },
    noMachine: "aucune",
    never: "jamais",
    start: "Démarrer",
    startOf: (name) => `Démarrer la machine de ${name}`,
    stop: "Arrêter",
    stopOf: (name) => `Arrêter la machine de ${name}`,
    find: "Chercher un nom",
    shown: (n, m) => `${n} sur ${m} ${n > 1 ? "affichés" : "affiché"}`,
    nobody: "Aucun nom ne correspond.",
    startAll: (n) => `Démarrer toutes les machines éteintes (${n}) …`,
    stopAll: (n) => `Arrêter toutes les machines (${n}) …`,
    asking: "On demande aux machines si quelqu'un y travaille …",
    stopTitle: (name) => `Arrêter la machine de ${name}\u202f?`,
    stopAllTitle: (n) => (n > 1 ? `Arrêter ${n} machines\u202f?` : "Arrêter 1 machine\u202f?"),
    startAllTitle: (n) => (n > 1 ? `Démarrer ${n} machines\u202f?` : "Démarrer 1 machine\u202f?"),
    startAllHow:
      "Elles démarrent par petits groupes\u202f; les autres attendent leur tour. Cela peut prendre plusieurs minutes.",
    works: "Quelqu'un y travaille en ce moment.",
    rests: (time) => `Personne n'y travaille depuis ${time}.`,
    workNow: (n, m) =>
      n === 0
        ? "Personne ne travaille en ce moment."
        : `${n} ${n > 1 ? "personnes travaillent" : "personne travaille"} en ce moment, sur ${m}.`,
    workUnknown: (n) =>
      n > 1
        ? `${n} machines ne disent pas si quelqu'un travaille.`
        : "1 machine ne dit pas si quelqu'un travaille.",
    workNotKnown: "On ne sait pas si quelqu'un travaille en ce moment.",
    stays:
      "Tous les fichiers des dossiers personnels sont conservés. Ce qui n'est pas encore enregistré, et tout ce qui tourne, sera perdu.",
    yesStop: (n) => (n > 1 ? `Arrêter ${n} machines` : "Arrêter la machine"),
    yesStart: (n) => (n > 1 ? `Démarrer ${n} machines` : "Démarrer la machine"),
    noStop: (n) => (n > 1 ? "Les laisser en marche" : "La laisser en marche"),
    noStart: "N'en démarrer aucune",
    close: "Fermer",
    going: (n, m) => `${n} sur ${m} …`,
    done: (n) => (n > 1 ? `C'est en cours pour les ${n} machines.` : "C'est en cours."),
    failedFor: (names) => `Refusé par le hub\u202f: ${names}. Le journal du hub dit pourquoi.`,
    failed: (name) => `La machine de ${name}\u202f: le hub a refusé. Son journal dit pourquoi.`,
    lost: "Le hub ne répond pas. Ce que vous voyez n'est peut-être plus à jour.",
  },
});

/**
 * How many people a search has found.
 * @param {number} count
 * @param {number} all
 */
export function foundWords(count, all, t = peopleTexts()) {
  return count ? t.shown(count, all) : t.nobody;
}

/** @param {string} role as the API names it */
export function roleWords(role, t = peopleTexts()) {
  /** @type {Record<string, string>} */
  const roles = t.roles;
  return roles[role] || role;
}

/**
 * When the hub saw somebody last.
 * @param {number | null} active when that was
 * @param {number} now by the hub's clock, too
 */
export function seenWords(active, now, inLanguage = language()) {
  if (!active) return peopleTexts(inLanguage).never;
  const t = boardTexts(inLanguage);
  return t.ago(duration(Math.max(0, now - active), t));
}
