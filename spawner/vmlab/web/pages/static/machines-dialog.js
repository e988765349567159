// The machines of a trainee in a dialog over the board.

import { texts } from "./board-text.js";
import { openDialog } from "./dialog.js";
import { make } from "./dom.js";
import { MachineList } from "./machine-list.js";

/**
 * Show them; they are followed until the dialog is closed.
 * @param {string} url the hub's address of `machines/USER`
 * @param {string} name whose they are
 */
export function showMachines(url, name) {
  const t = texts();
  const status = make("p", { role: "status", class: "mb-2" });
  const table = make("div", { class: "vm-wide" });
  const picture = make("div", { class: "my-3" });
  const close = make("button", { type: "button", class: "btn btn-outline-secondary" }, t.close);
  const dialog = openDialog(t.machinesOf(name), status, table, picture, close);
  dialog.classList.add("vm-wide-dialog");
  close.addEventListener("click", () => dialog.close());
  new MachineList({ table, picture, status }, url, () => dialog.open);
}
