// What a trainee is told inside JupyterLab, how they keep their lab and take their work home, and
// cells that wait for their kernel.
//
// Written by hand as what a build would make: a module-federation container that JupyterLab loads by
// the name of package.json and asks for "./extension". It brings no library; all come from JupyterLab
// through the share scope. ref: jupyterlab/staging/publicpath.js, webpack "Module Federation"
"use strict";

(() => {
  const POLL_MS = 60_000;
  const KERNEL_WAIT_MS = 60_000;
  const KERNEL_LOOK_MS = 50;
  const TEXTS = {
    en: {
      stopping: (clock) => `Nobody seems to work here: your lab will be stopped at ${clock}. Nothing that you saved is lost.`,
      keep: "Keep my lab",
      kept: "Your lab stays.",
      download: "Download My Home Folder",
      data: "My Data",
      ok: "Understood",
    },
    fr: {
      stopping: (clock) => `Personne ne semble travailler ici\u202f: votre lab sera arrêté à ${clock}. Rien de ce que vous avez enregistré n'est perdu.`,
      keep: "Garder mon lab",
      kept: "Votre lab reste ouvert.",
      download: "Télécharger mon dossier personnel",
      data: "Mes données",
      ok: "Compris",
    },
  };

  const folder = document.currentScript.src.replace(/\/[^/]*$/, "");
  let scope = null;

  async function load(name) {
    const versions = Object.values(scope[name] ?? {});
    if (!versions.length) throw new Error(`JupyterLab does not share ${name}`);
    return (await versions[0].get())();
  }

  class Teller {
    constructor({ apputils, services, coreutils }) {
      this.notification = apputils.Notification;
      this.connection = services.ServerConnection;
      this.base = `${coreutils.PageConfig.getBaseUrl()}vmlab/`;
      this.warning = null; // { stopAt, id }
      this.told = new Set();
      this.texts = TEXTS[document.documentElement.dataset.vmlabLanguage] ?? TEXTS.en;
      this.onLanguage = () => {};
      document.addEventListener("vmlab-language", ({ detail }) => this.speak(TEXTS[detail] ?? TEXTS.en));
    }

    async ask(path, init = {}) {
      const settings = this.connection.makeSettings();
      const response = await this.connection.makeRequest(`${this.base}${path}`, init, settings);
      if (!response.ok) throw new Error(`${path}: ${response.status}`);
      return response.json();
    }

    // The machine may be stopped, or the network away: the next look tells.
    async look() {
      if (document.hidden) return;
      const asked = performance.now();
      let news;
      try {
        news = await this.ask("notices");
      } catch (error) {
        console.debug("vmlab:", error);
        return;
      }
      document.dispatchEvent(new CustomEvent("vmlab-machine-language", { detail: { language: news.language, asked } }));
      this.warn(news.stop_at);
      for (const notice of news.notices) this.tell(notice);
    }

    speak(texts) {
      if (this.texts === texts) return;
      this.texts = texts;
      this.onLanguage();
    }

    warn(stopAt) {
      if (this.warning && this.warning.stopAt !== stopAt) {
        this.notification.dismiss(this.warning.id);
        this.warning = null;
      }
      if (!stopAt || this.warning) return;
      const clock = new Date(stopAt * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
      const actions = [{ label: this.texts.keep, displayType: "accent", callback: () => this.keep() }];
      const id = this.notification.warning(this.texts.stopping(clock), { autoClose: false, actions });
      this.warning = { stopAt, id };
    }

    async keep() {
      await this.ask("keep", { method: "POST" });
      this.notification.success(this.texts.kept, { autoClose: 5000 });
    }

    tell(notice) {
      if (notice.seen || this.told.has(notice.id)) return;
      this.told.add(notice.id);
      const seen = () => this.ask(`notices/${notice.id}/seen`, { method: "POST" });
      const actions = [{ label: this.texts.ok, callback: seen }];
      this.notification.info(this.texts === TEXTS.fr ? notice.fr : notice.en, { autoClose: false, actions });
    }
  }

  // The hub's page about this machine's data; empty where no hub is.
  function findDataPage(coreutils) {
    const prefix = coreutils.PageConfig.getOption("hubPrefix");
    return prefix && `${coreutils.PageConfig.getOption("hubHost")}${prefix}vmlab/data`;
  }

  function offerCommands(app, teller, { palette, menu }, dataPage) {
    const commands = [];
    const offer = (command, word, url) => {
      app.commands.addCommand(command, {
        label: () => teller.texts[word],
        execute: () => void window.open(url, "_blank", "noopener"),
      });
      palette?.addItem({ command, category: "VMLab" });
      commands.push(command);
    };
    if (dataPage) offer("vmlab:my-data", "data", dataPage);
    offer("vmlab:download-home", "download", `${teller.base}home.tar.gz`);
    menu?.fileMenu.addGroup(commands.map((command) => ({ command })), 40);
    teller.onLanguage = () => commands.forEach((command) => app.commands.notifyCommandChanged(command));
  }

  // A cell that is run before its kernel is there is dropped by JupyterLab without a word, or it asks
  // for a kernel although one is on its way. Here the cell waits, as those behind a busy one do.
  // ref: @jupyterlab/notebook, runCell; @jupyterlab/cells, CodeCell.execute
  async function lookForKernel(sessionContext) {
    const end = Date.now() + KERNEL_WAIT_MS;
    while (!sessionContext.isReady && !sessionContext.session?.kernel && Date.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, KERNEL_LOOK_MS));
    }
  }

  const looking = new WeakMap(); // one for each notebook: its cells go on in the order they were run

  function waitForKernel(sessionContext) {
    if (!looking.has(sessionContext)) {
      const look = lookForKernel(sessionContext).finally(() => looking.delete(sessionContext));
      looking.set(sessionContext, look);
    }
    return looking.get(sessionContext);
  }

  async function makeCellExecutor() {
    const notebook = await load("@jupyterlab/notebook");
    async function runCell(options) {
      const { cell, sessionContext } = options;
      if (cell.model.type === "code" && sessionContext && !sessionContext.session?.kernel) {
        cell.setPrompt("*");
        await waitForKernel(sessionContext);
        if (cell.isDisposed) return true; // it stood for the notebook until that was loaded
        cell.setPrompt("");
      }
      return notebook.runCell(options);
    }
    return {
      id: "vmlab-lab:cell-executor",
      description: "Runs a cell as soon as its kernel is there.",
      autoStart: true,
      provides: notebook.INotebookCellExecutor,
      activate: () => Object.freeze({ runCell }),
    };
  }

  async function makeTeller() {
    const [apputils, services, coreutils, mainmenu] = await Promise.all(
      ["@jupyterlab/apputils", "@jupyterlab/services", "@jupyterlab/coreutils", "@jupyterlab/mainmenu"].map(load),
    );
    return {
      id: "vmlab-lab:plugin",
      description: "Tells a trainee what their machine has to say.",
      autoStart: true,
      optional: [apputils.ICommandPalette, mainmenu.IMainMenu],
      activate(app, palette, menu) {
        const teller = new Teller({ apputils, services, coreutils });
        offerCommands(app, teller, { palette, menu }, findDataPage(coreutils));
        app.restored.then(() => teller.look());
        setInterval(() => teller.look(), POLL_MS);
        document.addEventListener("visibilitychange", () => teller.look());
      },
    };
  }

  window._JUPYTERLAB = window._JUPYTERLAB ?? {};
  window._JUPYTERLAB["vmlab-lab"] = {
    init: (shared) => {
      scope = shared;
    },
    get: async () => {
      const { makeLanguage } = await import(`${folder}/language.js`);
      const plugins = await Promise.all([makeTeller(), makeCellExecutor(), makeLanguage(load)]);
      return () => ({ __esModule: true, default: plugins });
    },
  };
})();
