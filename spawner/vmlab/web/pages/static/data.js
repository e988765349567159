// A trainee's own data: keep a state, delete it, go back to one, take the disk home.

import { texts } from "./data-text.js";
import { askFirst } from "./dialog.js";
import { around, byId, given } from "./dom.js";
import { call, pause, statusOf } from "./hub-api.js";
import { followMachine, stateOf } from "./machine.js";
import { showTimes } from "./times.js";

const LOOK_MS = 1000;
const STOP_LOOKS = 300;

const page = byId("vm-data");
const snapshots = given(page, "snapshotsUrl");

/** Stop the machine if it runs; return when it is off. */
async function stopMachine() {
  const url = given(page, "machineUrl");
  for (let look = 0; look < STOP_LOOKS; look += 1) {
    const state = stateOf(await call(url));
    if (state === "off") return;
    if (look === 0 || state === "running") await call(`${url}/server`, "DELETE");
    await pause(LOOK_MS);
  }
  throw new Error("the machine does not stop");
}

/**
 * Ask about the state in the button's row; what is done is shown by the page, reloaded.
 *
 * @param {HTMLElement} button
 * @param {{title: (when: string) => string, texts: string[], yes: string}} question
 * @param {(tell: (text: string) => void) => Promise<void>} act
 */
function askAbout(button, question, act) {
  const t = texts();
  const when = button.closest("tr")?.querySelector("time")?.textContent ?? "";
  askFirst(
    { ...question, title: question.title(when), no: t.no, close: t.close },
    async (tell) => {
      await act(tell);
      tell(t.done);
      window.location.reload();
    },
    () => t.failed,
  );
}

/**
 * @param {HTMLElement} button
 * @param {string} id
 */
function goBack(button, id) {
  const t = texts();
  const words = { title: t.title, texts: [t.all, t.kept, t.stops], yes: t.yes };
  askAbout(button, words, async (tell) => {
    tell(t.stopping);
    await stopMachine();
    tell(t.restoring);
    await call(`${snapshots}/${id}/restore`, "POST");
  });
}

/**
 * @param {HTMLElement} button
 * @param {string} id
 */
function deleteState(button, id) {
  const t = texts();
  const words = { title: t.deleteTitle, texts: [t.deleteText], yes: t.deleteIt };
  askAbout(button, words, () => call(`${snapshots}/${id}`, "DELETE"));
}

/** @param {HTMLButtonElement} button */
async function keep(button) {
  const t = texts();
  const status = byId("vm-keep-status");
  button.disabled = true;
  status.textContent = t.keeping;
  try {
    await call(snapshots, "POST");
    window.location.reload();
  } catch (error) {
    console.warn("vmlab:", error);
    status.textContent = statusOf(error) === 409 ? t.full : t.notKept;
    button.disabled = false;
  }
}

showTimes();
followMachine();
page.addEventListener("click", (event) => {
  const button = around(event, "button");
  if (!(button instanceof HTMLButtonElement)) return;
  const { restore, delete: deleted } = button.dataset;
  if (restore) goBack(button, restore);
  else if (deleted) deleteState(button, deleted);
  else if (button.id === "vm-keep") keep(button);
});
