// The page for SSH: keys are added and deleted, lines are copied, a token is made.

import { askFirst } from "./dialog.js";
import { around, byId, given, make } from "./dom.js";
import { Refusal, call, statusOf } from "./hub-api.js";
import { texts } from "./ssh-text.js";
import { language } from "./words.js";

/** @import { SshKey } from "../types" */

const TOKEN_S = 30 * 86400;

const page = byId("vm-ssh");
const keysUrl = given(page, "keysUrl");
const status = byId("vm-ssh-status");
const refusal = byId("vm-ssh-refusal");
/** @type {SshKey[]} */
let keys = [];

/** @param {number | null} at seconds since the epoch */
function moment(at) {
  if (at === null) return texts().never;
  const point = new Date(1000 * at);
  return make(
    "time",
    { datetime: point.toISOString() },
    point.toLocaleString(language(), { dateStyle: "medium", timeStyle: "short" }),
  );
}

/** @param {SshKey} key */
function row(key) {
  const t = texts();
  const button = make("button", {
    type: "button",
    class: "btn btn-sm btn-outline-danger",
    "aria-haspopup": "dialog",
    "data-remove": key.id,
    "data-act": "remove",
  }, t.remove);
  return make(
    "tr",
    {},
    make("td", {}, make("code", { class: "text-break" }, key.fingerprint), ` ${key.type}`),
    make("td", {}, key.comment),
    make("td", {}, moment(key.added)),
    make("td", {}, moment(key.used)),
    make("td", {}, button),
  );
}

function draw() {
  const t = texts();
  const heads = [t.key, t.from, t.addedAt, t.used, t.actions];
  const table = make(
    "table",
    { class: "table" },
    make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", { scope: "col" }, head)))),
    make("tbody", {}, ...keys.map(row)),
  );
  byId("vm-ssh-keys").replaceChildren(keys.length ? table : make("p", {}, t.none));
}

async function look() {
  ({ keys } = await call(keysUrl));
  draw();
}

/** @param {unknown} error */
function failure(error) {
  console.warn("vmlab:", error);
  const said = error instanceof Refusal ? error.said(language()) : "";
  return said || (statusOf(error) === 429 ? texts().often : texts().failed);
}

/** @param {SubmitEvent} event */
async function add(event) {
  event.preventDefault();
  const field = byId("vm-ssh-key", HTMLTextAreaElement);
  refusal.textContent = "";
  status.textContent = "";
  field.removeAttribute("aria-invalid");
  try {
    await call(keysUrl, "POST", { body: { key: field.value } });
    field.value = "";
    status.textContent = texts().added;
    await look();
  } catch (error) {
    field.setAttribute("aria-invalid", "true");
    refusal.textContent = failure(error);
  }
}

/** @param {string} id */
function remove(id) {
  const t = texts();
  const key = keys.find((each) => each.id === id);
  askFirst(
    {
      title: t.removeTitle,
      texts: [`${key?.fingerprint ?? ""} ${key?.comment ?? ""}`, t.removeText],
      yes: t.yes,
      no: t.no,
      close: t.close,
    },
    async (_tell, dialog) => {
      await call(`${keysUrl}/${id}`, "DELETE");
      dialog.close();
      await look();
      status.textContent = texts().removed;
      status.scrollIntoView({ block: "nearest" });
    },
    failure,
  );
}

/** @param {HTMLElement} button */
async function copy(button) {
  const text = button.parentElement?.querySelector("code")?.textContent ?? "";
  try {
    await navigator.clipboard.writeText(text); // a secure context only
    status.textContent = texts().copied;
  } catch (error) {
    console.warn("copy:", error);
    status.textContent = texts().notCopied;
  }
}

async function makeToken() {
  const user = given(page, "user");
  const scopes = [`access:servers!user=${user}`, `read:users:name!user=${user}`];
  const shown = byId("vm-ssh-new-token");
  try {
    const body = { note: "SSH", expires_in: TOKEN_S, scopes };
    const { token } = await call(given(page, "tokensUrl"), "POST", { body });
    const code = shown.querySelector("code");
    if (code) code.textContent = token;
    shown.hidden = false;
    shown.setAttribute("role", "status");
  } catch (error) {
    status.textContent = failure(error);
  }
}

byId("vm-ssh-form").addEventListener("submit", add);
byId("vm-ssh-token").addEventListener("click", makeToken);
page.addEventListener("click", (event) => {
  const button = around(event, "button");
  if (!button) return;
  const { remove: id, copy: copies } = button.dataset;
  if (id) remove(id);
  else if (copies !== undefined) copy(button);
});
if (/Win/.test(navigator.userAgent)) {
  for (const details of document.querySelectorAll("details[data-system]")) {
    if (details instanceof HTMLDetailsElement) details.open = details.dataset.system === "windows";
  }
}
document.addEventListener("vmlab-language", draw);
look().catch((error) => {
  status.textContent = failure(error);
});
