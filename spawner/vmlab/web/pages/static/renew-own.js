// The button on a trainee's own pages that replaces the machine by a new one.

import { given } from "./dom.js";
import { renew } from "./renew.js";

const button = document.getElementById("vm-renew"); // not on every such page

button?.addEventListener("click", () => {
  const next = given(button, "nextUrl");
  renew(given(button, "renewUrl"), { started: () => window.location.assign(next) });
});
