// Of JupyterLab, what the labextensions use of it. For the type checker only.
//
// Written by hand: the real types come with 280 packages and 330 MiB for these few lines.

export interface Signal<Sender, Argument> {
  connect(slot: (sender: Sender, argument: Argument) => void): boolean;
}

export interface Token<Service> {
  readonly name: string;
  /** So that the checker knows what a plugin is given for it. */
  readonly _tokenStructuralPropertyT: Service;
}

export interface Command {
  label: string | (() => string);
  execute(): unknown;
}

export interface CommandRegistry {
  addCommand(id: string, command: Command): unknown;
  execute(id: string, args?: object): Promise<unknown>;
  notifyCommandChanged(id?: string): void;
}

export interface Title {
  label: string;
  closable: boolean;
  dataset: Record<string, string>;
}

export declare class Widget {
  constructor(options?: { node?: HTMLElement });
  id: string;
  readonly node: HTMLElement;
  readonly title: Title;
  readonly isAttached: boolean;
  readonly isDisposed: boolean;
  addClass(name: string): void;
}

export declare class Menu extends Widget {
  constructor(options: { commands: CommandRegistry });
  addItem(item: { command: string }): unknown;
}

export interface Shell {
  add(widget: Widget, area: "main" | "top", options?: { activate?: boolean; rank?: number }): void;
  activateById(id: string): void;
  /** Not of every application. */
  collapseLeft?(): void;
}

export interface App {
  readonly commands: CommandRegistry;
  readonly shell: Shell;
  readonly restored: Promise<void>;
  readonly serviceManager: { settings: { save(id: string, raw: string): Promise<unknown> } };
}

export interface LayoutRestorer {
  add(widget: Widget, name: string): void;
}

export interface Palette {
  addItem(item: { command: string; category: string }): unknown;
}

export interface MainMenu {
  readonly fileMenu: { addGroup(items: { command: string }[], rank?: number): unknown };
  addMenu(menu: Menu, update?: boolean, options?: { rank?: number }): void;
}

export interface NotebookPanel extends Widget {
  readonly context: { readonly path: string; readonly pathChanged: Signal<unknown, string> };
}

export interface NotebookTracker {
  readonly widgetAdded: Signal<unknown, NotebookPanel>;
  forEach(tell: (panel: NotebookPanel) => void): void;
}

export interface TocTracker {
  /** Its class can refresh; its interface does not promise that. */
  get(widget: Widget): { title?: string; refresh?(): Promise<void> } | null;
}

export interface FileBrowser {
  readonly model: { readonly restored: Promise<void>; refresh(): Promise<void> };
}

export interface SettingRegistry {
  load(plugin: string): Promise<{ readonly user: Record<string, unknown> }>;
}

export interface SessionContext {
  readonly isReady: boolean;
  readonly session: { readonly kernel: object | null } | null;
}

export interface RunCell {
  cell: Widget & { readonly model: { readonly type: string }; setPrompt(value: string): void };
  sessionContext?: SessionContext;
}

export interface Action {
  label: string;
  displayType?: "accent";
  callback(event: MouseEvent): void;
}

export interface Notifications {
  info(message: string, options: { autoClose: number | false; actions?: Action[] }): string;
  success(message: string, options: { autoClose: number | false }): string;
  warning(message: string, options: { autoClose: number | false; actions?: Action[] }): string;
  dismiss(id: string): void;
}

export interface Heading {
  text: string;
  /** In the text of a Markdown cell. */
  line?: number;
}

export interface MarkdownCell {
  readonly model: { readonly sharedModel: { getSource(): string } };
  getHeadings(): Promise<Heading[]>;
}

export type Language = "en" | "fr";

/** What JupyterLab shares with extensions, by package. */
export interface Shared {
  "@jupyterlab/application": { ILayoutRestorer: Token<LayoutRestorer> };
  "@jupyterlab/apputils": { ICommandPalette: Token<Palette>; Notification: Notifications };
  "@jupyterlab/cells": { MarkdownCell: { prototype: MarkdownCell } };
  "@jupyterlab/coreutils": { PageConfig: { getBaseUrl(): string; getOption(name: string): string } };
  "@jupyterlab/filebrowser": { IDefaultFileBrowser: Token<FileBrowser> };
  "@jupyterlab/mainmenu": { IMainMenu: Token<MainMenu> };
  "@jupyterlab/notebook": {
    INotebookCellExecutor: Token<{ runCell(options: RunCell): Promise<boolean> }>;
    INotebookTracker: Token<NotebookTracker>;
    NotebookActions: { executed: Signal<unknown, unknown> };
    runCell(options: RunCell): Promise<boolean>;
  };
  "@jupyterlab/services": {
    ServerConnection: {
      makeSettings(): object;
      makeRequest(url: string, init: RequestInit, settings: object): Promise<Response>;
    };
  };
  "@jupyterlab/settingregistry": { ISettingRegistry: Token<SettingRegistry> };
  "@jupyterlab/toc": { ITableOfContentsTracker: Token<TocTracker> };
  "@jupyterlab/translation": { ITranslator: Token<{ readonly languageCode: string }> };
  "@lumino/widgets": { Widget: typeof Widget; Menu: typeof Menu };
}

export type Load = <Name extends keyof Shared>(name: Name) => Promise<Shared[Name]>;

/** The share scope of module federation: by package and version. */
export type ShareScope = Record<string, Record<string, { get(): Promise<() => any> }>>;

declare global {
  interface Window {
    _JUPYTERLAB: Record<string, { init(shared: ShareScope): void; get(): Promise<() => object> }>;
  }

  interface DocumentEventMap {
    "vmlab-language": CustomEvent<Language>;
    "vmlab-machine-language": CustomEvent<{ language: string; asked: number }>;
  }
}
