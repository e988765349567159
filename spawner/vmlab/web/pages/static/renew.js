// Replacing a machine by a new one with the same files: asks first, in plain words, then follows it.

import { askFirst } from "./dialog.js";
import { call, pause, statusOf } from "./hub-api.js";
import { stageWords, refusalWords, texts } from "./renew-text.js";

/** @import { Renewal } from "../types" */

const LOOK_MS = 1000;

/**
 * Ask, and if the answer is yes, replace the machine.
 *
 * @param {string | URL} url of `machines/USER/renew`
 * @param {{name?: string, started?: (dialog: HTMLDialogElement) => void}} [more] whose machine it is,
 *   unless it is the own one; what to do when the new machine starts
 */
export function renew(url, { name = "", started = () => {} } = {}) {
  const t = texts();
  const words = {
    title: name ? t.titleOf(name) : t.title,
    texts: [t.stays, t.goes, t.kept],
    yes: t.yes,
    no: t.no,
    close: t.close,
  };
  askFirst(
    words,
    async (tell, dialog) => {
      const last = await follow(url, (now) => tell(stageWords(now)));
      if (last.stage && last.stage !== "failed") started(dialog);
    },
    (error) => refusalWords(statusOf(error)),
  );
}

/**
 * @param {string | URL} url
 * @param {(now: Renewal) => void} tell
 */
async function follow(url, tell) {
  /** @type {Renewal} */
  let answer = await call(url, "POST");
  while (["stopping", "aside", "alone"].includes(answer.stage)) {
    tell(answer);
    await pause(LOOK_MS);
    answer = await call(url);
  }
  tell(answer);
  return answer;
}
