// Pages that say what the own machine does: they look again, so that they stay true.
//
// Such a page has one element with `data-machine-url` (the hub's model of the user) and
// `data-machine-state`; what belongs to some states has them in `data-when`, and vmlab.css hides
// the rest. A link that leads elsewhere when the machine is off has `data-href-on` and `-off`.

import { poll } from "./poll.js";

/** "off", "starting", "running" or "stopping": what the hub's model of a user says. */
export function stateOf(user) {
  const server = user.servers?.[""];
  if (server?.pending === "stop") return "stopping";
  if (server?.ready) return "running";
  return server?.pending ? "starting" : "off";
}

function show(root, state) {
  root.dataset.machineState = state;
  for (const link of root.querySelectorAll("[data-href-on]")) {
    link.href = state === "off" ? link.dataset.hrefOff : link.dataset.hrefOn;
  }
}

/** Follow the machine of this page. Returns what looks at once; null where there is none. */
export function followMachine() {
  const root = document.querySelector("[data-machine-url]");
  if (!root) return null;
  const reload = () => window.location.reload();
  return poll(() => root.dataset.machineUrl, {
    data(user) {
      const state = stateOf(user);
      if (state === root.dataset.machineState) return;
      // A page that was shown instead of the machine: the hub knows where to go from there.
      if ("machineInstead" in root.dataset) reload();
      else show(root, state);
    },
    lost() {},
    paused() {},
    refused: reload, // logged out elsewhere
  });
}
