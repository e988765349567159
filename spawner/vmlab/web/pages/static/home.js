// The home page: follows the machine, and switches it off.

import { byId, given } from "./dom.js";
import { texts } from "./home-text.js";
import { call } from "./hub-api.js";
import { followMachine } from "./machine.js";

const home = byId("vm-home");
const button = byId("stop", HTMLButtonElement);
const status = byId("vm-home-status");
const look = followMachine();

button.addEventListener("click", async () => {
  button.disabled = true;
  status.textContent = texts().stopping;
  try {
    await call(`${given(home, "machineUrl")}/server`, "DELETE"); // answers when it is off, or after 10 s
    status.textContent = "";
  } catch (error) {
    console.warn("stop:", error);
    status.textContent = texts().failed;
  }
  button.disabled = false;
  look();
});
