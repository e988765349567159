// Pages that say what the own machine does: they look again, so that they stay true.
//
// Such a page has one element with `data-machine-url` (the hub's model of the user) and
// `data-machine-state`; what belongs to some states has them in `data-when`, and vmlab.css hides
// the rest. A link that leads elsewhere when the machine is off has `data-href-on` and `-off`.

import { given } from "./dom.js";
import { poll } from "./poll.js";

/** @import { HubUser } from "../types" */

/**
 * What the hub's model of a user says of the machine.
 * @param {HubUser} user
 */
export function stateOf(user) {
  const server = user.servers?.[""];
  if (server?.pending === "stop") return "stopping";
  if (server?.ready) return "running";
  return server?.pending ? "starting" : "off";
}

/**
 * @param {HTMLElement} root
 * @param {string} state
 */
function show(root, state) {
  root.dataset.machineState = state;
  for (const link of root.querySelectorAll("a")) {
    const { hrefOn, hrefOff } = link.dataset;
    const href = state === "off" ? hrefOff : hrefOn;
    if (href) link.href = href;
  }
}

/** Follow the machine of this page, if it has one. Returns what looks at once. */
export function followMachine() {
  const root = document.querySelector("[data-machine-url]");
  if (!(root instanceof HTMLElement)) return () => {};
  const reload = () => window.location.reload();
  return poll(() => given(root, "machineUrl"), {
    data(/** @type {HubUser} */ user) {
      const state = stateOf(user);
      if (state === root.dataset.machineState) return;
      // A page that was shown instead of the machine: the hub knows where to go from there.
      if ("machineInstead" in root.dataset) reload();
      else show(root, state);
    },
    refused: reload, // logged out elsewhere
  });
}
