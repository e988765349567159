// What a trainee is told inside JupyterLab, how they keep their lab and take their work home.

import { isLanguage, textsOf } from "./words.js";

/** @import { App, Load, MainMenu, Palette, Shared } from "../../jupyterlab" */

/**
 * What the machine says (docs/protocols.md, section 8).
 * @typedef {{id: string, en: string, fr: string, seen: boolean}} Notice
 * @typedef {{language: string, stop_at: number, notices: Notice[]}} News
 */

/**
 * @typedef {object} Parts
 * @property {Shared["@jupyterlab/apputils"]} apputils
 * @property {Shared["@jupyterlab/services"]} services
 * @property {Shared["@jupyterlab/coreutils"]} coreutils
 */

const POLL_MS = 60_000;

class Teller {
  /** @param {Parts} parts */
  constructor({ apputils, services, coreutils }) {
    this.notification = apputils.Notification;
    this.connection = services.ServerConnection;
    this.base = `${coreutils.PageConfig.getBaseUrl()}vmlab/`;
    /** @type {{stopAt: number, id: string} | null} */
    this.warning = null;
    /** @type {Set<string>} */
    this.told = new Set();
    const { vmlabLanguage } = document.documentElement.dataset;
    this.language = isLanguage(vmlabLanguage) ? vmlabLanguage : "en";
    this.onLanguage = () => {};
    document.addEventListener("vmlab-language", ({ detail }) => {
      this.language = detail;
      this.onLanguage();
    });
  }

  get texts() {
    return textsOf(this.language);
  }

  /**
   * @param {string} path
   * @param {RequestInit} init
   */
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
    /** @type {News} */
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

  /** @param {number} stopAt */
  warn(stopAt) {
    if (this.warning && this.warning.stopAt !== stopAt) {
      this.notification.dismiss(this.warning.id);
      this.warning = null;
    }
    if (!stopAt || this.warning) return;
    const clock = new Date(stopAt * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    const keep = { label: this.texts.keep, displayType: /** @type {const} */ ("accent"), callback: () => this.keep() };
    const id = this.notification.warning(this.texts.stopping(clock), { autoClose: false, actions: [keep] });
    this.warning = { stopAt, id };
  }

  async keep() {
    await this.ask("keep", { method: "POST" });
    this.notification.success(this.texts.kept, { autoClose: 5000 });
  }

  /** @param {Notice} notice */
  tell(notice) {
    if (notice.seen || this.told.has(notice.id)) return;
    this.told.add(notice.id);
    const seen = () => this.ask(`notices/${notice.id}/seen`, { method: "POST" });
    const actions = [{ label: this.texts.ok, callback: seen }];
    this.notification.info(notice[this.language], { autoClose: false, actions });
  }
}

/**
 * The hub's page about this machine's data; empty where no hub is.
 * @param {Shared["@jupyterlab/coreutils"]} coreutils
 */
function findDataPage({ PageConfig }) {
  const prefix = PageConfig.getOption("hubPrefix");
  return prefix && `${PageConfig.getOption("hubHost")}${prefix}vmlab/data`;
}

/**
 * @param {App} app
 * @param {Teller} teller
 * @param {{palette: Palette | null, menu: MainMenu | null}} places
 * @param {string} dataPage
 */
function offerCommands(app, teller, { palette, menu }, dataPage) {
  /** @type {string[]} */
  const commands = [];
  /**
   * @param {string} command
   * @param {"data" | "download"} word
   * @param {string} url
   */
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

/** @param {Load} load */
export async function makeTeller(load) {
  const [apputils, services, coreutils, mainmenu] = await Promise.all([
    load("@jupyterlab/apputils"),
    load("@jupyterlab/services"),
    load("@jupyterlab/coreutils"),
    load("@jupyterlab/mainmenu"),
  ]);
  return {
    id: "vmlab-lab:plugin",
    description: "Tells a trainee what their machine has to say.",
    autoStart: true,
    optional: [apputils.ICommandPalette, mainmenu.IMainMenu],
    /**
     * @param {App} app
     * @param {Palette | null} palette
     * @param {MainMenu | null} menu
     */
    activate(app, palette, menu) {
      const teller = new Teller({ apputils, services, coreutils });
      offerCommands(app, teller, { palette, menu }, findDataPage(coreutils));
      app.restored.then(() => teller.look());
      setInterval(() => teller.look(), POLL_MS);
      document.addEventListener("visibilitychange", () => teller.look());
    },
  };
}
