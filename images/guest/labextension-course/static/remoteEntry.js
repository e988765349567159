// The course in JupyterLab. A module-federation container written by hand, as in ../labextension: it
// brings no library and needs no build. What it does is in the modules beside it.
"use strict";

(() => {
  const { src } = /** @type {HTMLScriptElement} */ (document.currentScript);
  /** @type {import("../../jupyterlab").ShareScope} */
  let scope = {};

  /** @type {import("../../jupyterlab").Load} */
  async function load(name) {
    const [version] = Object.values(scope[name] ?? {});
    if (!version) throw new Error(`JupyterLab does not share ${name}`);
    return (await version.get())();
  }

  window._JUPYTERLAB = window._JUPYTERLAB ?? {};
  window._JUPYTERLAB["vmlab-course"] = {
    init: (shared) => {
      scope = shared;
    },
    get: async () => {
      const { makePlugin } = await import(new URL("plugin.js", src).href);
      const plugin = await makePlugin(load);
      return () => ({ __esModule: true, default: plugin });
    },
  };
})();
