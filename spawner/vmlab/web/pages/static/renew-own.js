// The button on a trainee's own pages that replaces the machine by a new one.

import { renew } from "./renew.js";

const button = document.getElementById("vm-renew"); // not on every such page

button?.addEventListener("click", () => {
  renew(button.dataset.renewUrl, {
    started() {
      window.location.assign(button.dataset.nextUrl);
    },
  });
});
