// The plugins of this extension.

import { makeCellExecutor } from "./kernel.js";
import { makeLanguage } from "./language.js";
import { makeTeller } from "./teller.js";

/**
 * Make them from what JupyterLab shares.
 * @param {import("../../jupyterlab").Load} load
 */
export function makePlugins(load) {
  return Promise.all([makeTeller(load), makeCellExecutor(load), makeLanguage(load)]);
}
