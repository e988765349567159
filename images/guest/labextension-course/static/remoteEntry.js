// The course in JupyterLab. A module-federation container written by hand, as in ../labextension: it
// brings no library and needs no build. What it does stands in the modules beside it.
"use strict";

(() => {
  const here = new URL(".", document.currentScript.src);
  let scope = null;

  async function load(name) {
    const versions = Object.values(scope[name] ?? {});
    if (!versions.length) throw new Error(`JupyterLab does not share ${name}`);
    return (await versions[0].get())();
  }

  window._JUPYTERLAB = window._JUPYTERLAB ?? {};
  window._JUPYTERLAB["vmlab-course"] = {
    init: (shared) => {
      scope = shared;
    },
    get: async () => {
      const { makePlugin } = await import(new URL("plugin.js", here));
      const plugin = await makePlugin(load);
      return () => ({ __esModule: true, default: plugin });
    },
  };
})();
