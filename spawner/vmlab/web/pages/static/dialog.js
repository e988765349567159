// A question before something that cannot be taken back with one click, and other dialogs.
//
// Each is a <dialog>: the keyboard stays in it, Escape leaves everything as it is, and a screen reader
// reads its title and text.

import { focused, giveFocusBack, make } from "./dom.js";

let made = 0;

/** What names a part of one dialog: a second one may lie over it. */
function freshId() {
  made += 1;
  return `vm-dialog-${made}`;
}

/**
 * The words: `texts` are paragraphs.
 * @typedef {{title: string, texts: string[], yes: string, no: string, close: string}} Words
 */

/**
 * Ask, and if the answer is yes, act.
 *
 * @param {Words} words
 * @param {(tell: (text: string) => void, dialog: HTMLDialogElement) => Promise<void>} act called with a
 *   function that tells how far it got, and the dialog
 * @param {(error: unknown) => string} failure what is told when `act` throws
 */
export function askFirst(words, act, failure) {
  const status = make("p", { role: "status", class: "mb-2" });
  const yes = make("button", { type: "button", class: "btn btn-danger" }, words.yes);
  const no = make("button", { type: "button", class: "btn btn-outline-secondary", autofocus: true }, words.no);
  const said = make("div", { id: freshId() }, ...words.texts.map((text) => make("p", {}, text)));
  const dialog = openDialog(
    words.title,
    said,
    status,
    make("div", { class: "d-flex flex-wrap gap-2" }, yes, no),
  );
  dialog.setAttribute("aria-describedby", said.id);
  no.addEventListener("click", () => dialog.close());
  const tell = (/** @type {string} */ text) => {
    status.textContent = text;
  };
  yes.addEventListener("click", async () => {
    yes.disabled = true;
    no.textContent = words.close;
    try {
      await act(tell, dialog);
    } catch (error) {
      console.warn("vmlab:", error);
      tell(failure(error));
    }
  });
}

/**
 * Open a dialog over the page; when it closes, what had the focus has it again.
 *
 * @param {string} title
 * @param {(Node | string)[]} content
 */
export function openDialog(title, ...content) {
  const asker = focused();
  const row = asker?.closest("tr") ?? null;
  const heading = make("h2", { class: "h4", id: freshId() }, title);
  const dialog = make("dialog", { class: "vm-dialog", "aria-labelledby": heading.id }, heading, ...content);
  dialog.addEventListener("close", () => {
    dialog.remove();
    giveFocusBack(asker, row);
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}
