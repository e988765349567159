// What the board says, in both languages.

import { chooser, language } from "./words.js";

/** The board's texts of one language; of the page's, if none is named. */
export const texts = chooser({
  en: {
    labelled: (/** @type {string} */ label, /** @type {string} */ words) => `${label}: ${words}`,
    trainee: "Trainee",
    seat: (/** @type {number} */ n) => `Seat ${n}`,
    machine: "Machine",
    progress: "Done",
    idle: "Last progress",
    passedBy: "Passed by",
    open: "Open",
    openOf: (/** @type {string} */ name) => `Open the machine of ${name}`,
    machines: "Machines …",
    machinesOf: (/** @type {string} */ name) => `Machines of ${name}`,
    close: "Close",
    renew: "New machine …",
    renewOf: (/** @type {string} */ name) => `New machine … for ${name}`,
    course: (/** @type {string} */ title, /** @type {number} */ version) => `${title}, version ${version}`,
    noCourse: "No course published",
    noCourseHint: "Trainers publish one with: vmlab course push FOLDER",
    noRows: "No trainees yet",
    noRowsHint:
      "Trainees of your groups appear here as soon as the hub knows them, started or not.",
    finished: "finished",
    noneYet: (/** @type {string} */ time) => `no step yet, ${time}`,
    ago: (/** @type {string} */ time) => `${time} ago`,
    stuck: (/** @type {string} */ time) => `no progress for ${time}`,
    elsewhere: (/** @type {string} */ title, /** @type {string} */ done) => `in ${title}: ${done}`,
    notWorking: "–",
    minutes: (/** @type {number} */ n) => `${n} min`,
    underMinute: "under 1 min",
    hours: (/** @type {number} */ h, /** @type {number} */ m) => `${h} h ${m} min`,
    step: {
      passed: (/** @type {number} */ tries) => (tries > 1 ? `passed after ${tries} tries` : "passed"),
      failed: (/** @type {number} */ tries) => (tries > 1 ? `not passed, ${tries} tries` : "not passed, 1 try"),
      open: "not tried",
    },
    notPassed: "not passed",
    of: (/** @type {number} */ n, /** @type {number} */ m) => `${n} of ${m}`,
    summary: {
      stuck: (/** @type {number} */ n) => `${n} stuck`,
      working: (/** @type {number} */ n) => `${n} working`,
      finished: (/** @type {number} */ n) => `${n} finished`,
      changing: (/** @type {number} */ n) => `${n} starting or stopping`,
      off: (/** @type {number} */ n) => `${n} off`,
    },
    anyone: (/** @type {string} */ time) => `Last progress in the room: ${time} ago`,
    nobody: "Nobody has passed a step yet",
    sort: "Sort by",
    sorts: { stuck: "stuck first", name: "name", progress: "least done first" },
    threshold: "Stuck after",
    hideNames: "Hide names",
    chooseCourse: "Course",
    updated: (/** @type {string} */ time) => `Live · ${time}`,
    loading: "Loading …",
    loadingCourse: (/** @type {string} */ title) => `Loading the course ${title} …`,
    paused: "Paused",
    caption: "Trainees, their machines and the steps they have passed; updated every few seconds",
    lost: (/** @type {string} */ time, /** @type {number} */ wait) =>
      `The hub does not answer. What you see is from ${time}. Trying again in ${wait} s.`,
    lostFirst: (/** @type {number} */ wait) => `The hub does not answer. Trying again in ${wait} s.`,
    refused: "Your session has ended or you no longer have access.",
    reload: "Reload the page",
    outdated: (/** @type {number} */ mine, /** @type {number} */ newest) => `has version ${mine} of the course; the newest is ${newest}`,
    limited: (/** @type {string} */ name) => `${name} sends more than the network allows: limited`,
    providerLost: "The states of the machines are not known at the moment; progress is.",
  },
  fr: {
    labelled: (label, words) => `${label}\u202f: ${words}`,
    trainee: "Participant",
    seat: (n) => `Poste ${n}`,
    machine: "Machine",
    progress: "Fait",
    idle: "Dernier progrès",
    passedBy: "Réussie par",
    open: "Ouvrir",
    openOf: (name) => `Ouvrir la machine de ${name}`,
    machines: "Machines …",
    machinesOf: (name) => `Machines de ${name}`,
    close: "Fermer",
    renew: "Machine neuve …",
    renewOf: (name) => `Machine neuve … pour ${name}`,
    course: (title, version) => `${title}, version ${version}`,
    noCourse: "Aucun cours publié",
    noCourseHint: "Les formateurs en publient un avec\u202f: vmlab course push DOSSIER",
    noRows: "Pas encore de participants",
    noRowsHint:
      "Les participants de vos groupes apparaissent ici dès que le hub les connaît, démarrés ou non.",
    finished: "terminé",
    noneYet: (time) => `aucune étape, ${time}`,
    ago: (time) => `il y a ${time}`,
    stuck: (time) => `aucun progrès depuis ${time}`,
    elsewhere: (title, done) => `dans ${title}\u202f: ${done}`,
    notWorking: "–",
    minutes: (n) => `${n} min`,
    underMinute: "moins d'une min",
    hours: (h, m) => `${h} h ${m} min`,
    step: {
      passed: (tries) => (tries > 1 ? `réussie après ${tries} essais` : "réussie"),
      failed: (tries) => (tries > 1 ? `pas réussie, ${tries} essais` : "pas réussie, 1 essai"),
      open: "pas essayée",
    },
    notPassed: "pas réussie",
    of: (n, m) => `${n} sur ${m}`,
    summary: {
      stuck: (n) => `${n} ${n > 1 ? "bloqués" : "bloqué"}`,
      working: (n) => `${n} au travail`,
      finished: (n) => `${n} ${n > 1 ? "ont" : "a"} terminé`,
      changing: (n) => `${n} en démarrage ou arrêt`,
      off: (n) => `${n} ${n > 1 ? "éteintes" : "éteinte"}`,
    },
    anyone: (time) => `Dernier progrès dans la salle\u202f: il y a ${time}`,
    nobody: "Personne n'a encore réussi d'étape",
    sort: "Trier par",
    sorts: { stuck: "bloqués d'abord", name: "nom", progress: "moins avancés d'abord" },
    threshold: "Bloqué après",
    hideNames: "Masquer les noms",
    chooseCourse: "Cours",
    updated: (time) => `En direct · ${time}`,
    loading: "Chargement …",
    loadingCourse: (title) => `Chargement du cours ${title} …`,
    paused: "En pause",
    caption:
      "Les participants, leurs machines et les étapes réussies\u202f; actualisé à quelques secondes d'intervalle",
    lost: (time, wait) =>
      `Le hub ne répond pas. Ce que vous voyez date de ${time}. Nouvel essai dans ${wait} s.`,
    lostFirst: (wait) => `Le hub ne répond pas. Nouvel essai dans ${wait} s.`,
    refused: "Votre session est terminée ou vous n'avez plus accès.",
    reload: "Recharger la page",
    outdated: (mine, newest) => `a la version ${mine} du cours\u202f; la plus récente est la ${newest}`,
    limited: (name) => `${name} envoie plus que le réseau ne le permet\u202f: limitée`,
    providerLost: "L'état des machines n'est pas connu en ce moment\u202f; les progrès le sont.",
  },
});

/**
 * A duration in words, rounded down to minutes.
 * @param {number} seconds
 */
export function duration(seconds, t = texts()) {
  const minutes = Math.floor(seconds / 60);
  if (minutes < 1) return t.underMinute;
  if (minutes < 60) return t.minutes(minutes);
  return t.hours(Math.floor(minutes / 60), minutes % 60);
}

/**
 * A time of day.
 * @param {number} epochSeconds
 */
export function clock(epochSeconds, inLanguage = language()) {
  const locale = { en: "en-GB", fr: "fr-FR" }[inLanguage];
  return new Date(epochSeconds * 1000).toLocaleTimeString(locale);
}
