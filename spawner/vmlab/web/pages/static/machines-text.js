// What the home page says of a trainee's machines, in both languages.

import { chooser } from "./words.js";

export const texts = chooser({
  en: {
    caption: "Machines, their states, addresses and names; updated every few seconds",
    name: "Machine",
    state: "State",
    address: "Address and names",
    actions: "Actions",
    roles: {
      desk: "JupyterLab runs in it",
      node: "further machine",
      server: "shared by all",
    },
    forOthers: (/** @type {string} */ names) => `for others: ${names}`,
    labelled: (/** @type {string} */ label, /** @type {string} */ words) => `${label}: ${words}`,
    none: "–",
    console: "Console …",
    consoleOf: (/** @type {string} */ name) => `Console of ${name}`,
    consoleIs: "The last lines that this machine's system wrote while it started and ran. They can only be read.",
    consoleEmpty: "It has not written anything yet.",
    consoleFailed: "The console cannot be read at the moment. Try again in a minute.",
    again: "Read again",
    close: "Close",
    restart: "Restart …",
    restartOf: (/** @type {string} */ name) => `Restart ${name} …`,
    restartTitle: (/** @type {string} */ name) => `Restart ${name}?`,
    restartEnds: "Programs that run in it end, and what is not saved yet is lost. Files on its disks stay.",
    restartOthers: "The other machines keep running.",
    restartDesk: "JupyterLab runs in this machine: it is back after a minute or two, and the list says when.",
    restartServer: "All trainees use this machine: until it is back, what they read and write on it has to wait.",
    renew: "Replace …",
    renewOf: (/** @type {string} */ name) => `Replace ${name} with a new machine …`,
    renewTitle: (/** @type {string} */ name) => `Replace ${name} with a new machine?`,
    renewGoes: "Its system and the programs installed in it start afresh, and programs that run in it end. Files on its disk for data stay.",
    renewNode: "If it has no disk for data, none of its files stay.",
    renewing: "It is being replaced. The list of machines says when the new one is running.",
    yesRenew: "Replace it",
    yes: "Restart it",
    no: "Leave it as it is",
    restarting: "It restarts. The list of machines says when it is running again.",
    busy: "It is starting or stopping already. Wait until it is running.",
    tooMany: "You did this very often within a minute. Wait a little.",
    refused: "You may not do this with this machine.",
    failed: "That failed; nothing is lost. Try again in a minute, or tell a facilitator.",
    lost: "The hub does not answer at the moment: what you see may be out of date.",
    personal: "Personal",
    common: "Shared",
    othersBox: "other trainees",
    network: (/** @type {string} */ addresses) => `network ${addresses}`,
    told: (/** @type {string} */ name, /** @type {string} */ words) => `${name} (${words})`,
    shared: "shared by all",
    others: "the other trainees' machines",
    connects: (/** @type {string} */ addresses, /** @type {string} */ list) => `The network ${addresses} connects ${list}.`,
    apart: "The other trainees' machines cannot be reached.",
  },
  fr: {
    caption: "Les machines, leur état, leurs adresses et leurs noms\u202f; actualisé à quelques secondes d'intervalle",
    name: "Machine",
    state: "État",
    address: "Adresse et noms",
    actions: "Actions",
    roles: {
      desk: "JupyterLab y fonctionne",
      node: "machine supplémentaire",
      server: "partagée par tous",
    },
    forOthers: (names) => `pour les autres\u202f: ${names}`,
    labelled: (label, words) => `${label}\u202f: ${words}`,
    none: "–",
    console: "Console …",
    consoleOf: (name) => `Console de ${name}`,
    consoleIs: "Les dernières lignes que le système de cette machine a écrites pendant son démarrage et son fonctionnement. Elles ne peuvent qu'être lues.",
    consoleEmpty: "Elle n'a encore rien écrit.",
    consoleFailed: "La console ne peut pas être lue pour l'instant. Réessayez dans une minute.",
    again: "Relire",
    close: "Fermer",
    restart: "Redémarrer …",
    restartOf: (name) => `Redémarrer ${name} …`,
    restartTitle: (name) => `Redémarrer ${name}\u202f?`,
    restartEnds: "Les programmes qui y tournent s'arrêtent, et ce qui n'est pas encore enregistré est perdu. Les fichiers de ses disques restent.",
    restartOthers: "Les autres machines restent en marche.",
    restartDesk: "JupyterLab fonctionne dans cette machine\u202f: il revient après une ou deux minutes, et la liste dit quand.",
    restartServer: "Tous les participants utilisent cette machine\u202f: jusqu'à son retour, ce qu'ils y lisent et y écrivent doit attendre.",
    renew: "Remplacer …",
    renewOf: (name) => `Remplacer ${name} par une machine neuve …`,
    renewTitle: (name) => `Remplacer ${name} par une machine neuve\u202f?`,
    renewGoes: "Son système et les programmes installés repartent de zéro, et les programmes qui y tournent s'arrêtent. Les fichiers de son disque de données restent.",
    renewNode: "Si cette machine n'a pas de disque de données, aucun de ses fichiers ne reste.",
    renewing: "Elle est en cours de remplacement. La liste des machines dit quand la machine neuve est en marche.",
    yesRenew: "La remplacer",
    yes: "La redémarrer",
    no: "La laisser telle quelle",
    restarting: "Elle redémarre. La liste des machines dit quand elle est de nouveau en marche.",
    busy: "Elle est déjà en train de démarrer ou de s'arrêter. Attendez qu'elle soit en marche.",
    tooMany: "Vous l'avez fait très souvent en une minute. Attendez un peu.",
    refused: "Vous ne pouvez pas faire cela avec cette machine.",
    failed: "L'opération a échoué\u202f; rien n'est perdu. Réessayez dans une minute, ou prévenez un encadrant.",
    lost: "Le hub ne répond pas pour l'instant\u202f: ce que vous voyez n'est peut-être plus à jour.",
    personal: "Personnelles",
    common: "Partagées",
    othersBox: "autres participants",
    network: (addresses) => `réseau ${addresses}`,
    told: (name, words) => `${name} (${words})`,
    shared: "partagée par tous",
    others: "les machines des autres participants",
    connects: (addresses, list) => `Le réseau ${addresses} relie ${list}.`,
    apart: "Les machines des autres participants ne peuvent pas être jointes.",
  },
});

/**
 * Why the hub did not restart a machine.
 * @param {number} httpStatus 0: it did not answer
 */
export function refusalWords(httpStatus, t = texts()) {
  /** @type {Record<number, string>} */
  const words = { 403: t.refused, 404: t.refused, 409: t.busy, 429: t.tooMany };
  return words[httpStatus] ?? t.failed;
}

/**
 * What is asked before a machine is restarted.
 * @param {{label: string, role: string}} machine
 */
export function restartQuestion({ label, role }, t = texts()) {
  const more = new Map([["desk", [t.restartDesk, t.restartOthers]], ["node", [t.restartOthers]], ["server", [t.restartServer]]]);
  return {
    title: t.restartTitle(label),
    texts: [t.restartEnds, ...(more.get(role) ?? [])],
    yes: t.yes,
    no: t.no,
    close: t.close,
  };
}

/**
 * What is asked before a machine is replaced.
 * @param {{label: string, role: string}} machine
 */
export function renewQuestion({ label, role }, t = texts()) {
  const more = role === "desk" ? [t.restartDesk] : [t.renewNode];
  return {
    title: t.renewTitle(label),
    texts: [t.renewGoes, ...more, t.restartOthers],
    yes: t.yesRenew,
    no: t.no,
    close: t.close,
  };
}
