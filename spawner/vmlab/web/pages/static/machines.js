// The section "My machines" of the home page.

import { byId, given } from "./dom.js";
import { MachineList } from "./machine-list.js";

const list = new MachineList(
  { table: byId("vm-machines-table"), picture: byId("vm-machines-picture"), status: byId("vm-machines-status") },
  given(byId("vm-machines"), "api"),
);
document.addEventListener("vmlab-language", () => list.translate());
