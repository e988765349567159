// The machines of a group: their states, addresses and names, a picture of who is connected to whom,
// the console of each, and a restart or a new one while the others run.

import { cardTable, columnHeader } from "./card-table.js";
import { askFirst, openDialog } from "./dialog.js";
import { around, icon, make, makeSvg } from "./dom.js";
import { call, statusOf } from "./hub-api.js";
import { KeptRows } from "./kept-rows.js";
import { makePicture, pictureWords } from "./machines-picture.js";
import { refusalWords, renewQuestion, restartQuestion, texts } from "./machines-text.js";
import { poll } from "./poll.js";
import { shapeOf, stateWords } from "./state.js";
import { localized } from "./words.js";

/** @import { GroupMachine, MachineGroup, Picture } from "../types" */
/** @import { Item } from "./kept-rows.js" */

/**
 * Where it is shown.
 * @typedef {{table: HTMLElement, picture: HTMLElement, status: HTMLElement}} Places
 */

/** The machines of one trainee; it looks again as long as it is wanted. */
export class MachineList {
  /**
   * @param {Places} places
   * @param {string} api the hub's address of `machines/USER`
   * @param {() => boolean} isWanted
   */
  constructor(places, api, isWanted = () => true) {
    this.places = places;
    this.api = api;
    /** @type {MachineGroup | null} */
    this.group = null;
    this.rows = new KeptRows(make("tbody"));
    this.drawn = "";
    this.build();
    this.look = poll(() => api, {
      isWanted,
      data: (/** @type {MachineGroup} */ answer) => {
        this.group = answer;
        places.status.textContent = "";
        this.render();
      },
      lost: () => {
        places.status.textContent = texts().lost;
      },
    });
  }

  /** Say everything in the language that was chosen. */
  translate() {
    this.build();
    this.render();
  }

  build() {
    const t = texts();
    const body = make("tbody", { role: "rowgroup" });
    body.addEventListener("click", (event) => this.press(event));
    this.rows = new KeptRows(body);
    const titles = [t.name, t.state, t.address, t.actions].map((words) => columnHeader(words));
    this.places.table.replaceChildren(cardTable(t.caption, [make("tr", { role: "row" }, ...titles)], body));
  }

  render() {
    if (!this.group) return;
    this.rows.show(this.group.machines.map(machineRow));
    const words = pictureWords(this.group);
    if (words === this.drawn) return;
    this.drawn = words; // the same words, the same picture
    const picture = makePicture(this.group);
    this.places.picture.replaceChildren(...(picture ? [draw(picture, words)] : []));
  }

  /** @param {Event} event */
  press(event) {
    const act = around(event, "button[data-act]")?.dataset.act;
    const label = around(event, "tr")?.dataset.label;
    const machine = this.group?.machines.find((one) => one.label === label);
    if (!machine) return;
    const url = `${this.api}/${encodeURIComponent(machine.label)}/${act}`;
    if (act === "console") showConsole(machine.label, url);
    else if (act === "restart") this.begin(restartQuestion(machine), url, texts().restarting);
    else if (act === "renew") this.begin(renewQuestion(machine), url, texts().renewing);
  }

  /**
   * @param {ReturnType<typeof restartQuestion>} question
   * @param {string} url
   * @param {string} said once it has begun
   */
  begin(question, url, said) {
    askFirst(
      question,
      async (tell) => {
        await call(url, "POST");
        tell(said);
        this.look();
      },
      (error) => refusalWords(statusOf(error)),
    );
  }
}

/**
 * @param {string} label
 * @param {string} url
 */
function showConsole(label, url) {
  const t = texts();
  const title = t.consoleOf(label);
  const lines = make("pre", { class: "vm-console", tabindex: "0", role: "region", "aria-label": title, dir: "ltr" });
  const told = make("p", { role: "status", class: "mb-2" });
  const again = make("button", { type: "button", class: "btn btn-outline-primary" }, t.again);
  const close = make("button", { type: "button", class: "btn btn-outline-secondary", autofocus: true }, t.close);
  const buttons = make("div", { class: "d-flex flex-wrap gap-2" }, again, close);
  const dialog = openDialog(title, make("p", {}, t.consoleIs), lines, told, buttons);
  dialog.classList.add("vm-wide-dialog");
  const read = async () => {
    again.disabled = true;
    try {
      const { text } = await call(url);
      lines.textContent = text; // whatever a machine writes is text here
      lines.scrollTop = lines.scrollHeight;
      told.textContent = text ? "" : t.consoleEmpty;
    } catch (error) {
      console.warn("vmlab:", error);
      told.textContent = statusOf(error) === 404 ? t.consoleEmpty : t.consoleFailed;
    }
    again.disabled = false;
  };
  again.addEventListener("click", read);
  close.addEventListener("click", () => dialog.close());
  read();
}

/**
 * @param {GroupMachine} machine
 * @returns {Item}
 */
function machineRow(machine) {
  const t = texts();
  const { label, role, state } = machine;
  const name = make("th", { scope: "row", role: "rowheader", class: "vm-name vm-long-name" }, label);
  name.append(make("div", { class: "vm-remark small" }, t.roles[role] ?? role));
  /** @type {(Node | string)[]} */
  const told = [icon(shapeOf(state)), " ", stateWords(machine)];
  if (machine.message) told.push(make("div", { class: "vm-problem small" }, localized(machine.message)));
  return {
    key: label,
    class: `vm-role-${role}`,
    data: { label, state },
    cells: [name, cell("vm-machine", ...told), cell("vm-address", ...addressParts(machine)), cell("vm-actions", ...actions(machine))],
  };
}

/**
 * @param {string} className
 * @param {(Node | string)[]} content
 */
function cell(className, ...content) {
  return make("td", { role: "cell", class: className }, ...content);
}

/** @param {GroupMachine} machine */
function addressParts({ role, address, names, own_names: own }) {
  const t = texts();
  if (!address) return [t.none];
  const mine = [...own, ...(role === "server" ? names : [])].join(", ");
  const parts = [make("code", {}, address)];
  if (mine) parts.push(make("code", { class: "ms-2" }, mine));
  if (role !== "server" && names.length) {
    parts.push(make("span", { class: "vm-remark small d-block" }, t.forOthers(names.join(", "))));
  }
  return parts;
}

/** @param {GroupMachine} machine */
function actions({ label, may_console: mayConsole, may_restart: mayRestart, may_renew: mayRenew }) {
  const t = texts();
  const kind = { type: "button", "aria-haspopup": "dialog" };
  const found = [];
  if (mayConsole) {
    const more = { "data-act": "console", "aria-label": t.consoleOf(label), class: "btn btn-sm btn-outline-secondary" };
    found.push(make("button", { ...kind, ...more }, t.console));
  }
  if (mayRestart) {
    const more = { "data-act": "restart", "aria-label": t.restartOf(label), class: "btn btn-sm btn-outline-danger" };
    found.push(make("button", { ...kind, ...more }, t.restart));
  }
  if (mayRenew) {
    const more = { "data-act": "renew", "aria-label": t.renewOf(label), class: "btn btn-sm btn-outline-danger" };
    found.push(make("button", { ...kind, ...more }, t.renew));
  }
  return found;
}

/**
 * @param {Picture} picture
 * @param {string} words
 */
function draw({ width, height, boxes, lines, bar, network, hasShared }, words) {
  const t = texts();
  const middle = bar.x + bar.width / 2;
  const text = (/** @type {string} */ content, /** @type {number} */ x, /** @type {number} */ y, kind = "") =>
    makeSvg("text", { x, y, class: `vm-picture-text ${kind}`, "text-anchor": kind === "vm-picture-name" ? "start" : "middle" }, content);
  const head = [text(t.personal, (boxes[0]?.width ?? 0) / 2, 16)];
  if (hasShared) head.push(text(t.common, width - (boxes[0]?.width ?? 0) / 2, 16));
  return makeSvg(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, class: "vm-picture", role: "img", "aria-label": words },
    ...head,
    ...lines.map(({ x1, x2, y, isOn }) => makeSvg("line", { x1, x2, y1: y, y2: y, class: `vm-picture-line${isOn ? "" : " vm-picture-off"}` })),
    makeSvg("rect", { ...bar, rx: 5, class: "vm-picture-bar" }),
    text(t.network(network), middle, height - 6),
    ...boxes.map((box) => drawBox(box, text)),
  );
}

/**
 * @param {Picture["boxes"][number]} box
 * @param {(content: string, x: number, y: number, kind?: string) => SVGElement} text
 */
function drawBox({ x, y, width, height, label, address, state, isOn }, text) {
  const frame = makeSvg("rect", { x, y, width, height, rx: 8, class: `vm-picture-box${isOn ? "" : " vm-picture-off"}` });
  if (!label) return makeSvg("g", {}, frame, text(texts().othersBox, x + width / 2, y + height / 2 + 5));
  const sign = icon(shapeOf(state));
  for (const [name, value] of Object.entries({ x: x + 10, y: y + 9, width: 16, height: 16 })) sign.setAttribute(name, String(value));
  return makeSvg("g", {}, frame, sign, text(label, x + 34, y + 22, "vm-picture-name"), text(address, x + width / 2, y + 43, "vm-picture-address"));
}
