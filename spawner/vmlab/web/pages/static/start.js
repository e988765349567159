// The page of a starting machine: stages, remaining time, and what to do when it fails.

import { make } from "./dom.js";

const TEXTS = {
  en: {
    left: (time) => `About ${time} left`,
    soon: "Almost ready",
    longer: "This is taking longer than usual, but the start goes on",
    unknown: "The time left is not known yet",
    noEstimate: "The time left is not known",
    elapsed: (time) => `${time} so far`,
    place: (n) => (n === 1 ? "You are next" : `You are number ${n} in the queue`),
    seconds: (s) => `${s} s`,
    minutes: (m, s) => `${m} min ${s} s`,
    words: { done: "done", current: "now", waiting: "" },
    lost: "The connection was interrupted; trying again …",
    stopping: "Stopping …",
    stopFailed: "It could not be stopped; please try again or call a facilitator.",
    neutral: "Something in the start did not work.",
    cancelled: "The start was stopped.",
  },
  fr: {
    left: (time) => `Encore ${time} environ`,
    soon: "Presque prête",
    longer: "C'est plus long que d'habitude, mais cela avance",
    unknown: "Le temps restant n'est pas encore connu",
    noEstimate: "Le temps restant n'est pas connu",
    elapsed: (time) => `${time} jusqu'ici`,
    place: (n) => (n === 1 ? "C'est bientôt à vous" : `Vous êtes numéro ${n} dans la file`),
    seconds: (s) => `${s} s`,
    minutes: (m, s) => `${m} min ${s} s`,
    words: { done: "fait", current: "en cours", waiting: "" },
    lost: "La connexion a été interrompue\u202f; nouvel essai …",
    stopping: "Arrêt en cours …",
    stopFailed: "L'arrêt a échoué\u202f; réessayez ou appelez un encadrant.",
    neutral: "Quelque chose n'a pas marché pendant le démarrage.",
    cancelled: "Le démarrage a été arrêté.",
  },
};

const ALMOST_S = 3;
const RELOAD_MS = 2000;
const WATCH_MS = 5000;
const ANNOUNCE_S = 20; // a moving queue is not read aloud more often
const root = document.getElementById("vm-start");
const byId = (id) => document.getElementById(id);
const t = () => TEXTS[window.vmlab.language()] || TEXTS.en;

// What the page knows; times are those of this page's own clock, in seconds.
const state = { phase: "", place: 0, eta: null, hadTime: false, at: 0, began: now(), isLost: false };
// The bar goes from one percentage to the next in this time, and waits there for the next event.
const bar = { from: 0, to: 0, seconds: 0 };
let quietUntil = 0;

function now() {
  return performance.now() / 1000;
}

function time(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return t().seconds(whole);
  return t().minutes(Math.floor(whole / 60), whole % 60);
}

/** Seconds in steps that suit an estimate: 40, not 41, 42, 39; half a second is forgiven. */
function rough(seconds) {
  const step = seconds > 20 ? 5 : 2;
  return Math.ceil((seconds - 0.5) / step) * step;
}

/** A number from outside, kept within bounds; `otherwise` when it is none. */
function bounded(value, least, most, otherwise) {
  return Number.isFinite(value) ? Math.max(least, Math.min(most, value)) : otherwise;
}

/**
 * An event's text in both languages. Its HTML is only searched for the two languages, never put
 * into the page: some of it may come from a machine.
 */
function bilingual(event) {
  if (event.html_message) {
    const parsed = new DOMParser().parseFromString(event.html_message, "text/html");
    const en = parsed.querySelector('[lang="en"]');
    const fr = parsed.querySelector('[lang="fr"]');
    if (en && fr) return { en: en.textContent, fr: fr.textContent };
    return { en: parsed.body.textContent, fr: parsed.body.textContent };
  }
  return event.message ? { en: event.message, fr: event.message } : null;
}

function both(texts) {
  if (texts.en === texts.fr) return [make("span", {}, texts.en)];
  return [make("span", { lang: "en" }, texts.en), make("span", { lang: "fr" }, texts.fr)];
}

// -- showing ---------------------------------------------------------------------------------

function showStages() {
  const stages = [...root.querySelectorAll(".vm-stage")];
  const current = stages.findIndex((s) => s.dataset.phases.split(" ").includes(state.phase));
  stages.forEach((stage, position) => {
    const kind = position < current ? "done" : position === current ? "current" : "waiting";
    stage.dataset.state = kind;
    stage.querySelector(".vm-stage-word").textContent = t().words[kind];
    if (kind === "current") stage.setAttribute("aria-current", "step");
    else stage.removeAttribute("aria-current");
  });
}

/** Why there is no time: nothing to learn from yet, or what was learned does not hold today. */
function noTime() {
  if (state.place) return t().noEstimate;
  return state.hadTime ? t().longer : t().unknown;
}

function showTimes() {
  const left = state.eta === null ? null : state.eta - (now() - state.at);
  let words = state.phase ? noTime() : "";
  if (left !== null && left > ALMOST_S) words = t().left(time(rough(left)));
  else if (left !== null) words = left > -ALMOST_S ? t().soon : t().longer;
  byId("vm-start-left").textContent = words;
  byId("vm-start-elapsed").textContent = t().elapsed(time(now() - state.began));
  byId("vm-start-connection").textContent = state.isLost ? t().lost : "";
}

function showProgress() {
  const done = bar.seconds > 0 ? Math.min(1, (now() - state.at) / bar.seconds) : 0;
  const percent = bar.from + (bar.to - bar.from) * done;
  byId("vm-start-progress").setAttribute("aria-valuenow", String(Math.floor(percent)));
  byId("progress-bar").style.width = `${percent}%`;
}

function showPlace() {
  byId("vm-start-queue").hidden = !state.place;
  byId("vm-start-place").textContent = state.place ? t().place(state.place) : "";
  // What the queue's own box shows is for screen readers only.
  byId("progress-message").classList.toggle("visually-hidden", state.place > 0);
}

function showAll() {
  showPlace();
  showStages();
  showTimes();
  showProgress();
}

// -- events ----------------------------------------------------------------------------------

function take(event) {
  state.isLost = false;
  state.at = now() - bounded(event.age_s, 0, Infinity, 0);
  const most = event.ready ? 100 : 99; // nothing is whole while somebody waits for it
  bar.from = bounded(event.progress, 0, most, bar.from);
  bar.to = bounded(event.progress_end, bar.from, most, bar.from);
  bar.seconds = bounded(event.phase_s, 0, Infinity, 0);
  const wasWaiting = state.place > 0;
  if (event.phase) {
    state.phase = event.phase;
    state.place = bounded(event.position, 0, Infinity, 0);
    state.eta = bounded(event.eta_s, 0, Infinity, null);
    state.hadTime ||= Number.isFinite(event.eta_s);
  }
  if (Number.isFinite(event.elapsed_s)) state.began = state.at - event.elapsed_s;
  const texts = bilingual(event);
  if (texts && event.phase) {
    announce(texts);
    // The log keeps the newest place only, as the hub does.
    if (wasWaiting && state.place) byId("progress-log").lastElementChild.remove();
    byId("progress-log").append(make("li", {}, ...both(texts)));
  }
  if (event.notice) byId("vm-start-notices").append(notice(texts));
  showAll();
}

/** Tell screen readers what is new; of a queue that moves only now and then, and who is next. */
function announce(texts) {
  if (state.place > 1 && now() < quietUntil) return;
  quietUntil = state.place ? now() + ANNOUNCE_S : 0;
  byId("progress-message").replaceChildren(...both(texts));
}

function notice(texts) {
  return make("div", { class: "alert alert-info" }, ...both(texts));
}

/** Nothing moves any more, and the hub's answers lead nowhere from here. */
function end() {
  isOver = true;
  source.close();
  clearInterval(ticking);
  clearInterval(watching);
}

function fail(event) {
  end();
  // An event without HTML is the hub's own and is meant for operators.
  const kind = event.message === "Spawn cancelled" ? "cancelled" : "neutral";
  const own = { en: TEXTS.en[kind], fr: TEXTS.fr[kind] };
  const reason = event.html_message ? bilingual(event) : own;
  byId("vm-start-reason").replaceChildren(...both(reason));
  byId("vm-start-running").hidden = true;
  byId("vm-start-failed").hidden = false;
  byId("progress-details").hidden = !byId("progress-log").children.length;
  byId("vm-start-retry").focus();
}

const source = new EventSource(root.dataset.progressUrl);
source.onmessage = (message) => {
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
  state.isLost = true;
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
    wasAway = state.isLost = true;
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

byId("stop-server-btn").addEventListener("click", async () => {
  const button = byId("stop-server-btn");
  const status = byId("stop-server-status");
  button.disabled = true;
  status.textContent = t().stopping;
  const url = root.dataset.progressUrl.replace(/\/progress(\?|$)/, "$1");
  try {
    const response = await fetch(url, { method: "DELETE" });
    if (response.status === 401 || response.status === 403) {
      window.location.reload(); // logged out in another tab: the log-in leads back here
      return;
    }
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    end();
    window.location.assign(root.dataset.homeUrl);
  } catch (error) {
    console.warn("stop:", error);
    button.disabled = false;
    status.textContent = t().stopFailed;
  }
});

const watching = setInterval(lookForHub, WATCH_MS);
const ticking = setInterval(() => {
  showTimes();
  showProgress();
}, 1000);
document.addEventListener("vmlab-language", showAll);
showAll();
