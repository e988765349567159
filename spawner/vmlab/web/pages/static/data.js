// A trainee's own data: keep a state, delete it, go back to one, take the disk home.

import { askFirst, call } from "./dialog.js";
import { followMachine, stateOf } from "./machine.js";
import { showTimes } from "./times.js";

const LOOK_MS = 1000;
const STOP_LOOKS = 300;

const TEXTS = {
  en: {
    keeping: "Keeping the present state …",
    notKept: "It could not be kept just now. Try again in a minute.",
    full: "You have already kept ten states, or as many as there is room for. Delete one of them first, or try again in a minute.",
    title: (when) => `Replace your files with the state of ${when}?`,
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
    deleteTitle: (when) => `Delete the state of ${when}?`,
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
};

const page = document.getElementById("vm-data");
const texts = () => TEXTS[window.vmlab.language()] || TEXTS.en;

/** Stop the machine if it runs; return when it is off. */
async function stopMachine() {
  const url = page.dataset.machineUrl;
  for (let look = 0; look < STOP_LOOKS; look += 1) {
    const state = stateOf(await call(url, "GET"));
    if (state === "off") return;
    if (look === 0 || state === "running") await call(`${url}/server`, "DELETE");
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  throw new Error("the machine does not stop");
}

/** Ask about the state in the button's row; what is done is shown by the page, loaded anew. */
function askAbout(button, { title, texts: paragraphs, yes }, act) {
  const t = texts();
  const when = button.closest("tr").querySelector("time").textContent;
  askFirst(
    { title: title(when), texts: paragraphs, yes, no: t.no, close: t.close },
    async (tell) => {
      await act(tell);
      tell(t.done);
      window.location.reload();
    },
    () => t.failed,
  );
}

function goBack(button) {
  const t = texts();
  const words = { title: t.title, texts: [t.all, t.kept, t.stops], yes: t.yes };
  askAbout(button, words, async (tell) => {
    tell(t.stopping);
    await stopMachine();
    tell(t.restoring);
    await call(`${page.dataset.snapshotsUrl}/${button.dataset.restore}/restore`, "POST");
  });
}

function deleteState(button) {
  const t = texts();
  const words = { title: t.deleteTitle, texts: [t.deleteText], yes: t.deleteIt };
  askAbout(button, words, () => call(`${page.dataset.snapshotsUrl}/${button.dataset.delete}`, "DELETE"));
}

async function keep(button) {
  const t = texts();
  const status = document.getElementById("vm-keep-status");
  button.disabled = true;
  status.textContent = t.keeping;
  try {
    await call(page.dataset.snapshotsUrl, "POST");
    window.location.reload();
  } catch (error) {
    console.warn("vmlab:", error);
    status.textContent = error.status === 409 ? t.full : t.notKept;
    button.disabled = false;
  }
}

showTimes();
followMachine();
page.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.dataset.restore) goBack(button);
  else if (button?.dataset.delete) deleteState(button);
  else if (button?.id === "vm-keep") keep(button);
});
