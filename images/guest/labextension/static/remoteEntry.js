// What VMLab adds to JupyterLab: what a trainee is told, the choice of a language, cells that wait for
// their kernel.
//
// Written by hand as what a build would make: a module-federation container that JupyterLab loads by
// the name of package.json and asks for "./extension". It brings no library; all come from JupyterLab
// through the share scope. ref: jupyterlab/staging/publicpath.js, webpack "Module Federation"
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
  window._JUPYTERLAB["vmlab-lab"] = {
    init: (shared) => {
      scope = shared;
    },
    get: async () => {
      const { makePlugins } = await import(new URL("plugins.js", src).href);
      const plugins = await makePlugins(load);
      return () => ({ __esModule: true, default: plugins });
    },
  };
})();
