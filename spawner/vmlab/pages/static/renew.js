// Replacing a machine by a new one with the same files: asks first, in plain words, then follows it.
//
// The question is a <dialog>: the keyboard stays in it, Escape leaves everything as it is, and a
// screen reader reads its title and text.

import { make } from "./dom.js";

const LOOK_MS = 1000;

const TEXTS = {
  en: {
    title: "Replace your machine by a new one?",
    titleOf: (name) => `Replace the machine of ${name} by a new one?`,
    stays: "Stays: all files in the home folder.",
    goes:
      "Starts afresh: the system, programs installed in it, and whatever runs now. What is not saved yet is lost.",
    kept: "The old machine is kept, switched off, for a while: a facilitator can look into it.",
    yes: "Replace it",
    no: "Leave it as it is",
    stages: {
      stopping: "Switching the old machine off …",
      aside: "Putting the old machine aside …",
      starting: "The new machine is starting.",
      done: "The old machine is put aside.",
    },
    failed: "It could not be replaced; nothing is lost. Please tell a facilitator.",
    refused: "You may not replace this machine.",
    busy: "It is being replaced already.",
    close: "Close",
  },
  fr: {
    title: "Remplacer votre machine par une neuve\u00a0?",
    titleOf: (name) => `Remplacer la machine de ${name} par une neuve\u00a0?`,
    stays: "Restent\u00a0: tous les fichiers du dossier personnel.",
    goes:
      "Repartent de zéro\u00a0: le système, les programmes installés et tout ce qui tourne. Ce qui n'est pas encore enregistré est perdu.",
    kept: "L'ancienne machine est gardée éteinte quelque temps\u00a0: un animateur peut y regarder.",
    yes: "La remplacer",
    no: "La laisser telle quelle",
    stages: {
      stopping: "Extinction de l'ancienne machine …",
      aside: "Mise de côté de l'ancienne machine …",
      starting: "La nouvelle machine démarre.",
      done: "L'ancienne machine est mise de côté.",
    },
    failed: "Elle n'a pas pu être remplacée\u00a0; rien n'est perdu. Prévenez un encadrant.",
    refused: "Vous ne pouvez pas remplacer cette machine.",
    busy: "Elle est déjà en cours de remplacement.",
    close: "Fermer",
  },
};

const texts = () => TEXTS[window.vmlab.language()] || TEXTS.en;

/**
 * Ask, and if the answer is yes, replace the machine.
 *
 * @param url of `machines/USER/renew`.
 * @param name whose machine it is; empty for the own one.
 * @param started called when the new machine starts.
 */
export function renew(url, { name = "", started = () => {} } = {}) {
  const t = texts();
  const status = make("p", { role: "status", class: "mb-2" });
  const yes = make("button", { type: "button", class: "btn btn-danger" }, t.yes);
  const no = make("button", { type: "button", class: "btn btn-outline-secondary", autofocus: true }, t.no);
  const dialog = make(
    "dialog",
    { class: "vm-dialog", "aria-labelledby": "vm-renew-title", "aria-describedby": "vm-renew-text" },
    make("h2", { class: "h4", id: "vm-renew-title" }, name ? t.titleOf(name) : t.title),
    make(
      "div",
      { id: "vm-renew-text" },
      make("p", {}, t.stays),
      make("p", {}, t.goes),
      make("p", {}, t.kept),
    ),
    status,
    make("div", { class: "d-flex flex-wrap gap-2" }, yes, no),
  );
  const asker = document.activeElement;
  no.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => {
    dialog.remove();
    asker?.focus();
  });
  yes.addEventListener("click", async () => {
    yes.disabled = true;
    no.textContent = t.close;
    try {
      const last = await follow(url, (stage) => {
        status.textContent = t.stages[stage] || "";
      });
      if (last.stage === "failed") status.textContent = last.message?.[window.vmlab.language()] || t.failed;
      else started(dialog);
    } catch (error) {
      console.warn("renew:", error);
      status.textContent = { 404: t.refused, 409: t.busy }[error.status] || t.failed;
    }
  });
  document.body.append(dialog);
  dialog.showModal();
}

async function follow(url, tell) {
  let answer = await ask(url, "POST");
  while (["stopping", "aside"].includes(answer.stage)) {
    tell(answer.stage);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    answer = await ask(url, "GET");
  }
  tell(answer.stage);
  return answer;
}

async function ask(url, method) {
  const headers = { "X-XSRFToken": window.jhdata.xsrf_token };
  const response = await fetch(url, { method, headers });
  if (!response.ok) {
    const error = new Error(`HTTP ${response.status}`);
    error.status = response.status;
    throw error;
  }
  return response.json();
}
