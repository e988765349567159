// One language of a course is shown; the other one is a button away.
//
// A text stands in a notebook in all its languages, <div lang="en"> beside <div lang="fr">
// (notebooks/README.md). Only what is shown changes with a switch, never the notebook: whatever
// a trainee wrote stays, and a text in one language only is always shown. The choice is the
// account's: the hub keeps it and tells the machine, whose checks, notices and terminals follow.
//
// `data-vmlab-language` of the root element is what is shown now; "vmlab-language" on the document
// tells of a switch, and "vmlab-machine-language" (from remoteEntry.js) what the machine speaks.

const NAMES = { en: "English", fr: "Français" };
const SETTINGS = "@jupyterlab/translation-extension:plugin"; // JupyterLab's own language
const TEXTS = {
  en: {
    show: "Show in English",
    reload: "The texts are now in English; JupyterLab's own menus will follow when the page is reloaded. What you have written is saved first, and running cells keep running.",
    now: "Reload the page",
    lost: "The texts are now in English, but your choice could not be saved: the hub did not answer. Switch again in a minute.",
  },
  fr: {
    show: "Afficher en français",
    reload: "Les textes sont maintenant en français\u202f; les menus de JupyterLab le seront quand la page sera rechargée. Ce que vous avez écrit est d'abord enregistré, et les cellules en cours d'exécution continuent.",
    now: "Recharger la page",
    lost: "Les textes sont maintenant en français, mais votre choix n'a pas pu être enregistré\u202f: le hub n'a pas répondu. Choisissez de nouveau dans une minute.",
  },
};

const root = document.documentElement;
const other = () => (shown() === "fr" ? "en" : "fr");

export function shown() {
  return root.dataset.vmlabLanguage;
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

// The language of each line of a text; empty outside of all of them.
function languagesOf(source) {
  let [language, depth, fence] = ["", 0, ""];
  return source.split("\n").map((line) => {
    const mark = /^\s*(```|~~~)/.exec(line)?.[1];
    if (mark && (!fence || fence === mark)) fence = fence ? "" : mark;
    if (fence || mark) return language;
    if (!depth) language = /^\s*<div\s[^>]*\blang=["']?([a-z]+)/i.exec(line)?.[1] ?? "";
    const here = language;
    if (language) depth += (line.match(/<div\b/gi)?.length ?? 0) - (line.match(/<\/div>/gi)?.length ?? 0);
    if (depth <= 0) [language, depth] = ["", 0];
    return here;
  });
}

/** The headings of a text that are shown. */
export function pickHeadings(headings, source, language) {
  const lines = languagesOf(source);
  if (!lines.includes(language)) return headings;
  return headings.filter(({ line }) => !lines[line] || lines[line] === language);
}

class Switch {
  constructor(app, { apputils, services, coreutils }, { notebooks, contents }) {
    this.app = app;
    this.notification = apputils.Notification;
    this.connection = services.ServerConnection;
    this.url = `${coreutils.PageConfig.getBaseUrl()}vmlab/language`;
    this.told = shown(); // by the machine
    this.settled = 0; // when the last choice made here was
    this.notebooks = notebooks;
    this.contents = contents;
    this.offered = null;
  }

  show(language) {
    root.dataset.vmlabLanguage = language;
    document.dispatchEvent(new CustomEvent("vmlab-language", { detail: language }));
    this.notebooks?.forEach((panel) => void this.contents?.get(panel)?.refresh());
  }

  // The machine's word counts when it changes: it does not take back what the hub has not got. Nor
  // does a word from before a choice, which may arrive after it.
  follow({ language, asked }) {
    if (asked < this.settled || !NAMES[language] || language === this.told) return;
    this.told = language;
    if (language === shown()) return;
    this.show(language);
    this.offerReload();
  }

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
      this.notification.warning(TEXTS[language].lost, { autoClose: false });
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
    const { reload, now } = TEXTS[shown()];
    const callback = async () => {
      await this.app.commands.execute("docmanager:save-all");
      window.location.reload();
    };
    const actions = [{ label: now, displayType: "accent", callback }];
    this.offered = this.notification.info(reload, { autoClose: false, actions });
  }

  // JupyterLab's own menu of languages is the same choice. What was chosen there lies over the
  // account's language, so it is handed on and then taken out.
  async takeOver(registry) {
    const settings = await registry.load(SETTINGS);
    const chosen = String(settings.user.locale ?? "").slice(0, 2);
    if (!NAMES[chosen]) return;
    if (chosen !== this.told && !(await this.choose(chosen))) return;
    // Past the registry, which would take the translated menus for changed ones.
    const { locale: _, ...rest } = settings.user;
    await this.app.serviceManager.settings.save(SETTINGS, JSON.stringify(rest));
  }
}

function makeButton(Widget) {
  const node = document.createElement("button");
  node.type = "button";
  node.className = "vmlab-language";
  const name = () => {
    node.lang = other();
    node.textContent = NAMES[other()];
    node.title = TEXTS[other()].show;
  };
  name();
  document.addEventListener("vmlab-language", name);
  const widget = new Widget({ node });
  widget.id = "vmlab-language";
  return widget;
}

export async function makeLanguage(load) {
  const names = ["apputils", "services", "coreutils", "cells", "notebook", "toc", "settingregistry"];
  const parts = await Promise.all(names.map((name) => load(`@jupyterlab/${name}`)));
  const [apputils, services, coreutils, cells, notebook, toc, settingregistry] = parts;
  const { Widget } = await load("@lumino/widgets");
  const told = coreutils.PageConfig.getOption("vmlabLanguage");
  root.dataset.vmlabLanguage = NAMES[told] ? told : "en"; // before the first text is drawn
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
    activate(app, palette, registry, notebooks, contents) {
      const made = new Switch(app, { apputils, services, coreutils }, { notebooks, contents });
      const command = "vmlab:switch-language";
      const execute = async () => {
        await made.choose(other());
        made.offerReload();
      };
      app.commands.addCommand(command, { label: () => TEXTS[other()].show, execute });
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
