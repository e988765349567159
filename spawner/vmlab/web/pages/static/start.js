// The page of a starting machine: stages, remaining time, and what to do when it fails.

import { byId, given, make } from "./dom.js";
import { call, statusOf } from "./hub-api.js";
import { advance, leftAt, opened, percentAt, stageKinds } from "./start-model.js";
import { leftWords, texts, timeWords } from "./start-text.js";

/** @import { Language, StartEvent } from "../types" */

const RELOAD_MS = 2000;
const WATCH_MS = 5000;
const ANNOUNCE_S = 20; // a moving queue is not read aloud more often

const root = byId("vm-start");
const log = byId("progress-log");
const progressUrl = given(root, "progressUrl");

const now = () => performance.now() / 1000;
let start = opened(now());
let isLost = false;
let quietUntil = 0;

/** @typedef {Record<Language, string>} Both */

/**
 * An event's text in both languages. Its HTML is only searched for the two languages, never put
 * into the page: some of it may come from a machine.
 *
 * @param {StartEvent} event
 * @returns {Both | null}
 */
function bilingual(event) {
  if (event.html_message) {
    const parsed = new DOMParser().parseFromString(event.html_message, "text/html");
    const en = parsed.querySelector('[lang="en"]');
    const fr = parsed.querySelector('[lang="fr"]');
    const all = parsed.body.textContent;
    return en && fr ? { en: en.textContent, fr: fr.textContent } : { en: all, fr: all };
  }
  return event.message ? { en: event.message, fr: event.message } : null;
}

/** @param {Both} words */
function both({ en, fr }) {
  if (en === fr) return [make("span", {}, en)];
  return [make("span", { lang: "en" }, en), make("span", { lang: "fr" }, fr)];
}

// -- showing ---------------------------------------------------------------------------------

function showStages() {
  /** @type {NodeListOf<HTMLElement>} */
  const stages = root.querySelectorAll(".vm-stage");
  const kinds = stageKinds(Array.from(stages, (stage) => given(stage, "phases")), start.phase);
  stages.forEach((stage, position) => {
    const kind = kinds[position] ?? "waiting";
    stage.dataset.state = kind;
    stage.querySelector(".vm-stage-word")?.replaceChildren(texts().words[kind]);
    if (kind === "current") stage.setAttribute("aria-current", "step");
    else stage.removeAttribute("aria-current");
  });
}

function showTimes() {
  const t = texts();
  byId("vm-start-left").textContent = leftWords(leftAt(start, now()), t);
  byId("vm-start-elapsed").textContent = t.elapsed(timeWords(now() - start.began, t));
  byId("vm-start-connection").textContent = isLost ? t.lost : "";
}

function showProgress() {
  const percent = percentAt(start, now());
  byId("vm-start-progress").setAttribute("aria-valuenow", String(Math.floor(percent)));
  byId("progress-bar").style.width = `${percent}%`;
}

function showPlace() {
  byId("vm-start-queue").hidden = !start.place;
  byId("vm-start-place").textContent = start.place ? texts().place(start.place) : "";
  // What the queue's own box shows is for screen readers only.
  byId("progress-message").classList.toggle("visually-hidden", start.place > 0);
}

function showAll() {
  showPlace();
  showStages();
  showTimes();
  showProgress();
}

// -- events ----------------------------------------------------------------------------------

/** @param {StartEvent} event */
function take(event) {
  isLost = false;
  const wasWaiting = start.place > 0;
  start = advance(start, event, now());
  const words = bilingual(event);
  if (words && event.phase) {
    announce(words);
    // The log keeps the newest place only, as the hub does.
    if (wasWaiting && start.place) log.lastElementChild?.remove();
    log.append(make("li", {}, ...both(words)));
  }
  if (words && event.notice) byId("vm-start-notices").append(notice(words));
  showAll();
}

/**
 * Tell screen readers what is new; of a queue that moves only now and then, and who is next.
 * @param {Both} words
 */
function announce(words) {
  if (start.place > 1 && now() < quietUntil) return;
  quietUntil = start.place ? now() + ANNOUNCE_S : 0;
  byId("progress-message").replaceChildren(...both(words));
}

/** @param {Both} words */
function notice(words) {
  return make("div", { class: "alert alert-info" }, ...both(words));
}

/** Nothing moves any more, and the hub's answers lead nowhere from here. */
function end() {
  isOver = true;
  source.close();
  clearInterval(ticking);
  clearInterval(watching);
}

/** @param {StartEvent} event */
function fail(event) {
  end();
  // An event without HTML is the hub's own and is meant for operators.
  const kind = event.message === "Spawn cancelled" ? "cancelled" : "neutral";
  const own = { en: texts("en")[kind], fr: texts("fr")[kind] };
  const reason = event.html_message ? bilingual(event) : null;
  byId("vm-start-reason").replaceChildren(...both(reason ?? own));
  byId("vm-start-running").hidden = true;
  byId("vm-start-failed").hidden = false;
  byId("progress-details").hidden = !log.children.length;
  byId("vm-start-retry").focus();
}

const source = new EventSource(progressUrl);
source.onmessage = (message) => {
  /** @type {StartEvent} */
  const event = JSON.parse(message.data);
  if (event.failed) {
    fail(event);
    return;
  }
  take(event);
  if (event.ready) {
    end();
    window.location.reload(); // the hub sends on to the machine from here
  }
};
source.onerror = () => {
  isLost = true;
  showTimes();
  // Refused for good: the hub no longer knows this start, and its own page says what is the case.
  if (source.readyState === EventSource.CLOSED) lookForHub();
};

// -- the hub itself ---------------------------------------------------------------------------

let wasAway = false;
let isOver = false;

/**
 * Reload when the hub has come back, or says no more. A stream alone does not tell: the proxy keeps
 * that of a killed hub open. While the hub is away, a reload would end on a page that leads nowhere.
 */
async function lookForHub() {
  const answers = await hubAnswers();
  if (isOver) return;
  if (!answers) {
    wasAway = isLost = true;
    showTimes();
  } else if (wasAway || source.readyState === EventSource.CLOSED) {
    clearInterval(watching);
    // Not at once: a hub that has just come back begins cut starts again.
    setTimeout(() => window.location.reload(), RELOAD_MS);
  }
}

async function hubAnswers() {
  try {
    return (await fetch(`${window.jhdata.base_url}api/`, { cache: "no-store" })).ok;
  } catch (error) {
    console.warn("hub:", error);
    return false;
  }
}

const button = byId("stop-server-btn", HTMLButtonElement);
button.addEventListener("click", async () => {
  const status = byId("stop-server-status");
  button.disabled = true;
  status.textContent = texts().stopping;
  try {
    await call(progressUrl.replace(/\/progress(\?|$)/, "$1"), "DELETE");
    end();
    window.location.assign(given(root, "homeUrl"));
  } catch (error) {
    if ([401, 403].includes(statusOf(error))) {
      window.location.reload(); // logged out in another tab: the log-in leads back here
      return;
    }
    console.warn("stop:", error);
    button.disabled = false;
    status.textContent = texts().stopFailed;
  }
});

const watching = setInterval(lookForHub, WATCH_MS);
const ticking = setInterval(() => {
  showTimes();
  showProgress();
}, 1000);
document.addEventListener("vmlab-language", showAll);
showAll();
