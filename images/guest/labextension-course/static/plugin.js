// JupyterLab opens on the course instead of its launcher; the menu Lab leads there and to the hub's
// pages; tabs of exercises carry the exercise's title.

import { lift, tick } from "./cover.js";
import { Courses } from "./model.js";
import { addStyle, draw } from "./page.js";
import { languageOf, textsOf } from "./words.js";

/** @import { App, FileBrowser, Language, LayoutRestorer, Load, MainMenu, NotebookPanel, NotebookTracker, Palette, Shared, Widget } from "../../jupyterlab" */

/** @typedef {Shared["@jupyterlab/coreutils"]} CoreUtils */
/** @typedef {Shared["@lumino/widgets"]} Widgets */

const OPEN = "vmlab-course:open";
const GUIDE = "vmlab-course:guide";
const MACHINES = "vmlab-course:machines";
const HOME = "vmlab-course:home";
// Of vmlab-lab; a menu shows nothing for a command that is not there.
const THEIRS = ["vmlab:my-data", "vmlab:download-home"];
const NARROW_PX = 700;
const TITLE = "vmlab-title"; // of a tab's data attributes
const MENU_RANK = 900; // before Help
// As `/lab?exercise=COURSE/FOLDER`, in links of the hub's home page. JupyterLab drops it later.
const wanted = new URLSearchParams(window.location.search).get("exercise") ?? "";

/**
 * Make the plugin from what JupyterLab shares.
 * @param {Load} load
 */
export async function makePlugin(load) {
  const [application, apputils, coreutils, filebrowser, mainmenu, notebook, services, translation, widgets] =
    await Promise.all([
      load("@jupyterlab/application"),
      load("@jupyterlab/apputils"),
      load("@jupyterlab/coreutils"),
      load("@jupyterlab/filebrowser"),
      load("@jupyterlab/mainmenu"),
      load("@jupyterlab/notebook"),
      load("@jupyterlab/services"),
      load("@jupyterlab/translation"),
      load("@lumino/widgets"),
    ]);
  return {
    id: "vmlab-course:plugin",
    description: "Shows the course, the trainee's own progress, and where to go on.",
    autoStart: true,
    requires: [translation.ITranslator],
    optional: [
      application.ILayoutRestorer, apputils.ICommandPalette, mainmenu.IMainMenu, notebook.INotebookTracker,
      filebrowser.IDefaultFileBrowser,
    ],
    /**
     * @param {App} app
     * @param {{languageCode: string}} translator
     * @param {LayoutRestorer | null} restorer
     * @param {Palette | null} palette
     * @param {MainMenu | null} menu
     * @param {NotebookTracker | null} tracker
     * @param {FileBrowser | null} files
     */
    activate(app, translator, restorer, palette, menu, tracker, files) {
      const language = languageOf(translator.languageCode);
      const courses = new Courses(makeAsk(services, coreutils));
      const page = makePage(app, courses, widgets, language);
      offerCommands(app, page, { palette, menu, widgets, coreutils, texts: textsOf(language) });
      if (tracker) nameNotebooks(tracker, notebook, courses, language);
      openFirst(app, page, courses, { restorer, files });
    },
  };
}

/**
 * @param {Shared["@jupyterlab/services"]} services
 * @param {CoreUtils} coreutils
 */
function makeAsk(services, coreutils) {
  const settings = services.ServerConnection.makeSettings();
  const base = `${coreutils.PageConfig.getBaseUrl()}vmlab/`;
  return async (/** @type {string} */ path) => {
    const response = await services.ServerConnection.makeRequest(`${base}${path}`, {}, settings);
    if (!response.ok) throw new Error(`${path}: ${response.status}`);
    return response.json();
  };
}

/**
 * @param {App} app
 * @param {Courses} courses
 * @param {Widgets} widgets
 * @param {Language} language
 */
function makePage(app, courses, widgets, language) {
  addStyle();
  const texts = textsOf(language);
  const page = new widgets.Widget();
  page.id = "vmlab-course";
  page.addClass("vmlab-course");
  page.title.label = texts.course;
  page.title.closable = true;
  page.node.tabIndex = -1;
  page.node.setAttribute("role", "region");
  page.node.setAttribute("aria-label", texts.course);
  const open = (/** @type {{notebook: string}} */ { notebook }) =>
    app.commands.execute("docmanager:open", { path: notebook });
  const openLauncher = () => app.commands.execute("launcher:create");
  const show = () => draw(page.node, courses, { texts, language, open, openLauncher });
  courses.listeners.add(show);
  show();
  return page;
}

/**
 * @typedef {object} Offer
 * @property {Palette | null} palette
 * @property {MainMenu | null} menu
 * @property {Widgets} widgets
 * @property {CoreUtils} coreutils
 * @property {ReturnType<typeof textsOf>} texts
 */

/**
 * @param {App} app
 * @param {Widget} page
 * @param {Offer} offer
 */
function offerCommands(app, page, { palette, menu, widgets, coreutils, texts }) {
  const own = [OPEN];
  app.commands.addCommand(OPEN, { label: texts.course, execute: () => present(app, page) });
  const prefix = coreutils.PageConfig.getOption("hubPrefix");
  /**
   * @param {string} command
   * @param {string} label
   * @param {string} path
   */
  const offerPage = (command, label, path) => {
    const url = `${coreutils.PageConfig.getOption("hubHost")}${prefix}${path}`;
    app.commands.addCommand(command, { label, execute: () => void window.open(url, "_blank", "noopener") });
    own.push(command);
  };
  if (prefix) {
    offerPage(GUIDE, texts.guide, "vmlab/guide");
    offerPage(MACHINES, texts.machines, "home#vm-machines");
    offerPage(HOME, texts.home, "home");
  }
  for (const command of own) palette?.addItem({ command, category: "VMLab" });
  if (!menu) return;
  const lab = new widgets.Menu({ commands: app.commands });
  lab.id = "vmlab-menu";
  lab.title.label = "Lab";
  for (const command of [OPEN, ...THEIRS, ...own.slice(1)]) lab.addItem({ command });
  menu.addMenu(lab, true, { rank: MENU_RANK });
}

/**
 * @param {App} app
 * @param {Widget} page
 */
function present(app, page) {
  if (!page.isAttached) app.shell.add(page, "main");
  app.shell.activateById(page.id);
}

// A tab says "Who am I?", not "exercise.ipynb" for each of them. By an attribute that the style sheet
// shows: to JupyterLab another label is another file name, and it renames the trainee's file.
// ref: @jupyterlab/docregistry, DocumentWidget._onTitleChanged
/**
 * @param {NotebookTracker} tracker
 * @param {Shared["@jupyterlab/notebook"]} notebook
 * @param {Courses} courses
 * @param {Language} language
 */
function nameNotebooks(tracker, notebook, courses, language) {
  const name = (/** @type {NotebookPanel} */ panel) => {
    const title = courses.titleAt(panel.context.path, language);
    const { [TITLE]: before = null, ...others } = panel.title.dataset;
    if (before !== title) panel.title.dataset = title ? { ...others, [TITLE]: title } : others;
  };
  tracker.widgetAdded.connect((_, panel) => {
    name(panel);
    panel.context.pathChanged.connect(() => name(panel));
  });
  courses.listeners.add(() => tracker.forEach(name));
  notebook.NotebookActions.executed.connect(() => courses.expectReport());
}

/**
 * @param {App} app
 * @param {Widget} page
 * @param {Courses} courses
 * @param {{restorer: LayoutRestorer | null, files: FileBrowser | null}} parts
 */
async function openFirst(app, page, courses, { restorer, files }) {
  restorer?.add(page, page.id);
  // With something in the main area, the launcher does not come.
  app.shell.add(page, "main", { activate: false });
  const first = courses.look();
  await app.restored;
  // A layout that was kept without this page has removed it: notebooks stay in front.
  if (!page.isAttached) app.shell.add(page, "main", { activate: false });
  document.addEventListener("visibilitychange", () => document.hidden || courses.look());
  if (window.innerWidth < NARROW_PX) app.shell.collapseLeft?.(); // files beside it would leave no room
  tick("lab");
  lift(first.then(() => arrive(app, courses, files)));
}

/**
 * Return when the exercises are there and the one that was asked for is open.
 * @param {App} app
 * @param {Courses} courses
 * @param {FileBrowser | null} files
 */
async function arrive(app, courses, files) {
  await /** @type {Promise<void>} */ (new Promise((resolve) => {
    const look = () => {
      if (courses.isComing) return;
      courses.listeners.delete(look);
      resolve();
    };
    courses.listeners.add(look);
    look();
  }));
  if (courses.outline) tick("exercises");
  const [name = "", ...folder] = wanted.split("/");
  const found = courses.find(name, folder.join("/"))?.exercise;
  if (found?.notebook) await app.commands.execute("docmanager:open", { path: found.notebook });
  await files?.model.restored;
  await files?.model.refresh(); // it would look again in 10 s
}
