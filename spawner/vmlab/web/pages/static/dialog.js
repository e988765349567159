// A question before something that cannot be taken back with one click.
//
// It is a <dialog>: the keyboard stays in it, Escape leaves everything as it is, and a screen reader
// reads its title and text.

import { giveFocusBack, make } from "./dom.js";

/**
 * Ask, and if the answer is yes, act.
 *
 * @param words `title`, `texts` (paragraphs), `yes`, `no`, `close`.
 * @param act called with a function that tells how far it got, and the dialog; what it throws is
 *   told in the words of `failure(error)`.
 */
export function askFirst(words, act, failure) {
  const status = make("p", { role: "status", class: "mb-2" });
  const yes = make("button", { type: "button", class: "btn btn-danger" }, words.yes);
  const no = make("button", { type: "button", class: "btn btn-outline-secondary", autofocus: true }, words.no);
  const dialog = make(
    "dialog",
    { class: "vm-dialog", "aria-labelledby": "vm-dialog-title", "aria-describedby": "vm-dialog-text" },
    make("h2", { class: "h4", id: "vm-dialog-title" }, words.title),
    make("div", { id: "vm-dialog-text" }, ...words.texts.map((text) => make("p", {}, text))),
    status,
    make("div", { class: "d-flex flex-wrap gap-2" }, yes, no),
  );
  const asker = document.activeElement;
  const row = asker?.closest("tr");
  no.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => {
    dialog.remove();
    giveFocusBack(asker, row);
  });
  const tell = (text) => {
    status.textContent = text || "";
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
  document.body.append(dialog);
  dialog.showModal();
}

/** Call the hub's API as this page's user; an answer that is no success is thrown, with its status. */
export async function call(url, method, body) {
  const headers = { "X-XSRFToken": window.jhdata.xsrf_token };
  if (body) headers["Content-Type"] = "application/json"; // the hub refuses other types
  const response = await fetch(url, { method, headers, body: body && JSON.stringify(body) });
  if (!response.ok) {
    const error = new Error(`HTTP ${response.status}`);
    error.status = response.status;
    throw error;
  }
  const type = response.headers.get("Content-Type") || "";
  return type.includes("json") ? response.json() : null;
}
