// The home page: follows the machine, and switches it off.

import { call } from "./dialog.js";
import { followMachine } from "./machine.js";

const TEXTS = {
  en: {
    stopping: "Switching off …",
    failed: "It could not be switched off; please try again.",
  },
  fr: {
    stopping: "Extinction en cours …",
    failed: "L'extinction a échoué\u202f; réessayez.",
  },
};

const home = document.getElementById("vm-home");
const button = document.getElementById("stop");
const status = document.getElementById("vm-home-status");
const t = () => TEXTS[window.vmlab.language()] || TEXTS.en;
const look = followMachine();

button.addEventListener("click", async () => {
  button.disabled = true;
  status.textContent = t().stopping;
  try {
    await call(`${home.dataset.machineUrl}/server`, "DELETE"); // answers when it is off, or after 10 s
    status.textContent = "";
  } catch (error) {
    console.warn("stop:", error);
    status.textContent = t().failed;
  }
  button.disabled = false;
  look();
});
