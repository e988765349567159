// One language of a course is shown; the other one is a button away.
//
// A notebook holds each text in all its languages, <div lang="en"> beside <div lang="fr">
// (notebooks/README.md). Only what is shown changes with a switch, never the notebook: whatever
// a trainee wrote stays, and a text in one language only is always shown. The choice is the
// account's: the hub keeps it and tells the machine, whose checks, notices and terminals follow.
//
// `data-vmlab-language` of the root element is what is shown now; "vmlab-language" on the document
// tells of a switch, and "vmlab-machine-language" (from teller.js) what the machine speaks.

import { pickHeadings } from "./headings.js";
import { isLanguage, textsOf } from "./words.js";

/** @import { App, Language, Load, NotebookTracker, Palette, SettingRegistry, Shared, TocTracker } from "../../jupyterlab" */

const NAMES = { en: "English", fr: "Français" };
const SETTINGS = "@jupyterlab/translation-extension:plugin"; // JupyterLab's own language

const root = document.documentElement;
const other = () => (shown() === "fr" ? "en" : "fr");

/** @returns {Language} */
export function shown() {
  return root.dataset.vmlabLanguage === "fr" ? "fr" : "en";
}

function makeStyle() {
  const rules = Object.keys(NAMES).flatMap((language) => {
    const text = `:root[data-vmlab-language="${language}"] .jp-RenderedMarkdown:has(> div[lang="${language}"])`;
    return [`${text} > div[lang]:not([lang="${language}"])`, `${text} > div[lang] + hr:has(+ div[lang])`];
  });
  // Results of checks hold all languages, too (lab/show.py, make_card).
  const results = Object.keys(NAMES).map(
    (language) => `:root[data-vmlab-language="${language}"] .vmlab-texts > [lang="${language}"]`,
  );
  const style = document.createElement("style");
  style.textContent = `${rules.join(",\n")} { display: none; }
    .vmlab-texts > [lang] { display: none; } ${results.join(", ")} { display: block; }
    #jp-menu-panel { min-width: 0; } #jp-MainMenu { overflow-x: auto; }
    .vmlab-language { flex: none; align-self: center; margin: 0 8px; padding: 2px 8px; border: 1px solid var(--jp-border-color1);
      border-radius: 3px; background: none; color: var(--jp-ui-font-color1); font-size: var(--jp-ui-font-size1); cursor: pointer; }
    .vmlab-language:hover { background: var(--jp-layout-color2); }
    .vmlab-language:focus-visible { outline: 2px solid var(--jp-brand-color1); outline-offset: 1px; }`;
  return style;
}

/**
 * @typedef {object} Parts
 * @property {Shared["@jupyterlab/apputils"]} apputils
 * @property {Shared["@jupyterlab/services"]} services
 * @property {Shared["@jupyterlab/coreutils"]} coreutils
 */

class Switch {
  /**
   * @param {App} app
   * @param {Parts} parts
   * @param {{notebooks: NotebookTracker | null, contents: TocTracker | null}} shownIn
   */
  constructor(app, { apputils, services, coreutils }, { notebooks, contents }) {
    this.app = app;
    this.notification = apputils.Notification;
    this.connection = services.ServerConnection;
    this.url = `${coreutils.PageConfig.getBaseUrl()}vmlab/language`;
    /** @type {string} by the machine */
    this.told = shown();
    this.settled = 0; // when the last choice made here was
    this.notebooks = notebooks;
    this.contents = contents;
    /** @type {string | null} */
    this.offered = null;
  }

  /** @param {Language} language */
  show(language) {
    root.dataset.vmlabLanguage = language;
    document.dispatchEvent(new CustomEvent("vmlab-language", { detail: language }));
    this.notebooks?.forEach((panel) => void this.contents?.get(panel)?.refresh?.());
  }

  // The machine's word counts when it changes: it does not take back what the hub has not received. Nor
  // does a word from before a choice, which may arrive after it.
  /** @param {{language: string, asked: number}} word */
  follow({ language, asked }) {
    if (asked < this.settled || !isLanguage(language) || language === this.told) return;
    this.told = language;
    if (language === shown()) return;
    this.show(language);
    this.offerReload();
  }

  /** @param {Language} language */
  async choose(language) {
    if (language !== shown()) this.show(language);
    this.settled = Infinity;
    const settings = this.connection.makeSettings();
    const init = { method: "POST", body: JSON.stringify({ language }) };
    try {
      const response = await this.connection.makeRequest(this.url, init, settings);
      if (!response.ok) throw new Error(`HTTP ${response.status}`);
    } catch (error) {
      console.warn("vmlab: language:", error);
      this.notification.warning(textsOf(language).lost, { autoClose: false });
      return false;
    } finally {
      this.settled = performance.now();
    }
    this.told = language;
    return true;
  }

  offerReload() {
    if (this.offered) this.notification.dismiss(this.offered);
    this.offered = null;
    if (shown() === root.lang.slice(0, 2)) return; // JupyterLab's own
    const { reload, now } = textsOf(shown());
    const callback = async () => {
      await this.app.commands.execute("docmanager:save-all");
      window.location.reload();
    };
    const actions = [{ label: now, displayType: /** @type {const} */ ("accent"), callback }];
    this.offered = this.notification.info(reload, { autoClose: false, actions });
  }

  // JupyterLab's own menu of languages is the same choice. What was chosen there lies over the
  // account's language, so it is handed on and then taken out.
  /** @param {SettingRegistry} registry */
  async takeOver(registry) {
    const settings = await registry.load(SETTINGS);
    const chosen = String(settings.user.locale ?? "").slice(0, 2);
    if (!isLanguage(chosen)) return;
    if (chosen !== this.told && !(await this.choose(chosen))) return;
    // Past the registry, which would take the translated menus for changed ones.
    const { locale: _, ...rest } = settings.user;
    await this.app.serviceManager.settings.save(SETTINGS, JSON.stringify(rest));
  }
}

/** @param {Shared["@lumino/widgets"]["Widget"]} Widget */
function makeButton(Widget) {
  const node = document.createElement("button");
  node.type = "button";
  node.className = "vmlab-language";
  const name = () => {
    node.lang = other();
    node.textContent = NAMES[other()];
    node.title = textsOf(other()).show;
  };
  name();
  document.addEventListener("vmlab-language", name);
  const widget = new Widget({ node });
  widget.id = "vmlab-language";
  return widget;
}

/** @param {Load} load */
export async function makeLanguage(load) {
  const [apputils, services, coreutils, cells, notebook, toc, settingregistry, { Widget }] = await Promise.all([
    load("@jupyterlab/apputils"),
    load("@jupyterlab/services"),
    load("@jupyterlab/coreutils"),
    load("@jupyterlab/cells"),
    load("@jupyterlab/notebook"),
    load("@jupyterlab/toc"),
    load("@jupyterlab/settingregistry"),
    load("@lumino/widgets"),
  ]);
  const told = coreutils.PageConfig.getOption("vmlabLanguage");
  root.dataset.vmlabLanguage = isLanguage(told) ? told : "en"; // before the first text is drawn
  document.head.append(makeStyle());
  const { getHeadings } = cells.MarkdownCell.prototype;
  cells.MarkdownCell.prototype.getHeadings = async function () {
    return pickHeadings(await getHeadings.call(this), this.model.sharedModel.getSource(), shown());
  };
  return {
    id: "vmlab-lab:language",
    description: "Shows one language of a course, and switches.",
    autoStart: true,
    optional: [
      apputils.ICommandPalette,
      settingregistry.ISettingRegistry,
      notebook.INotebookTracker,
      toc.ITableOfContentsTracker,
    ],
    /**
     * @param {App} app
     * @param {Palette | null} palette
     * @param {SettingRegistry | null} registry
     * @param {NotebookTracker | null} notebooks
     * @param {TocTracker | null} contents
     */
    activate(app, palette, registry, notebooks, contents) {
      const made = new Switch(app, { apputils, services, coreutils }, { notebooks, contents });
      const command = "vmlab:switch-language";
      const execute = async () => {
        await made.choose(other());
        made.offerReload();
      };
      app.commands.addCommand(command, { label: () => textsOf(other()).show, execute });
      palette?.addItem({ command, category: "VMLab" });
      const button = makeButton(Widget);
      button.node.addEventListener("click", () => void app.commands.execute(command));
      app.shell.add(button, "top", { rank: 1000 });
      document.addEventListener("vmlab-language", () => app.commands.notifyCommandChanged(command));
      document.addEventListener("vmlab-machine-language", ({ detail }) => made.follow(detail));
      if (registry) app.restored.then(() => made.takeOver(registry));
    },
  };
}
