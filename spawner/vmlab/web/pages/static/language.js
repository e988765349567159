// The language of all pages: chosen before the first paint, changed by the switch in the bar.
//
// Order: what the account chose, what this browser chose here before, the browser's own languages,
// the lab's default. A choice made here is the account's, and its machine follows at once; before a
// log-in it is the browser's, and the account takes it over if it has none (`.vm-shown-language`).
// Until the hub has answered, this tab holds the choice: a reload shows it and sends it again.
// Texts of templates are shown or hidden by vmlab.css; attributes are set here; scripts that write
// texts themselves listen to "vmlab-language" on the document. What the hub knows is in attributes of
// the element that loads this script (page.html).
(function () {
  "use strict";

  const LANGUAGES = ["en", "fr"];
  const KEY = "vmlab-language";
  const UNSAVED_KEY = "vmlab-language-unsaved";

  const given = document.currentScript?.dataset ?? {};
  /** @type {{ name: string, chosen: string, url: string } | null} */
  const account = JSON.parse(given.account ?? "null");

  function stored() {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null; // storage is blocked in this browser: the choice lasts for one page
    }
  }

  /**
   * @returns {string | null} what the account chose in this tab and the hub has not saved yet; nothing if
   *   it chose elsewhere meanwhile
   */
  function unsaved() {
    try {
      const [name, before, language] = JSON.parse(sessionStorage.getItem(UNSAVED_KEY) ?? "[]");
      return name === account?.name && before === account?.chosen ? language : null;
    } catch {
      return null; // as above
    }
  }

  /** @param {string} language */
  function holdUnsaved(language) {
    try {
      const held = [account?.name, account?.chosen, language];
      sessionStorage.setItem(UNSAVED_KEY, JSON.stringify(held));
    } catch {
      // as above
    }
  }

  /** @param {string} language */
  function noteSaved(language) {
    const newest = unsaved(); // another one, if the reader went on choosing meanwhile
    if (account) account.chosen = language;
    if (newest && newest !== language) holdUnsaved(newest);
    else sessionStorage.removeItem(UNSAVED_KEY);
  }

  function preferred() {
    const preferences = [unsaved(), account?.chosen, stored(), ...(navigator.languages || [])];
    const short = preferences.map((preference) => (preference ?? "").slice(0, 2).toLowerCase());
    return short.find((preference) => LANGUAGES.includes(preference)) || given.defaultLanguage || "en";
  }

  /** @param {string} language */
  function apply(language) {
    document.documentElement.lang = language;
    for (const element of document.querySelectorAll(`[data-label-${language}]`)) {
      const label = element.getAttribute(`data-label-${language}`) ?? "";
      element.setAttribute("aria-label", label);
      if (element instanceof HTMLButtonElement) element.title = label;
    }
    // Where no element can stand beside another one: the choices of a list.
    for (const element of document.querySelectorAll(`[data-text-${language}]`)) {
      element.textContent = element.getAttribute(`data-text-${language}`);
    }
    for (const button of choices()) {
      const isChosen = button.dataset.language === language;
      button.classList.toggle("active", isChosen);
      button.setAttribute("aria-pressed", String(isChosen));
    }
    for (const field of document.querySelectorAll(".vm-shown-language")) field.setAttribute("value", language);
    const title = document.querySelector('meta[name="vmlab-title"]');
    const lab = document.querySelector('meta[name="vmlab-lab"]')?.getAttribute(`data-${language}`);
    if (title) document.title = `${title.getAttribute(`data-${language}`)} · ${lab ?? "VMLab"}`;
  }

  /** @returns {NodeListOf<HTMLElement>} */
  function choices() {
    return document.querySelectorAll(".vm-language");
  }

  // The page is in the new language all the same; what could not be saved is sent by the next page.
  /** @param {string} language */
  async function tellHub(language) {
    if (!account) return;
    holdUnsaved(language);
    try {
      const response = await fetch(account.url, {
        method: "POST",
        keepalive: true, // the page may be left at once
        headers: { "Content-Type": "application/json", "X-XSRFToken": window.jhdata.xsrf_token },
        body: JSON.stringify({ language }),
      });
      if (!response.ok) throw new Error(`HTTP ${response.status}`);
      noteSaved(language);
    } catch (error) {
      console.warn("language:", error);
    }
  }

  window.vmlab = {
    language: () => document.documentElement.lang,
    setLanguage(language) {
      try {
        localStorage.setItem(KEY, language);
      } catch {
        // as above
      }
      apply(language);
      tellHub(language);
      document.dispatchEvent(new CustomEvent("vmlab-language"));
    },
  };

  document.documentElement.lang = preferred();
  document.addEventListener("DOMContentLoaded", () => {
    apply(document.documentElement.lang);
    for (const button of choices()) {
      const { language } = button.dataset;
      if (language) button.addEventListener("click", () => window.vmlab.setLanguage(language));
    }
    const language = unsaved();
    if (language) tellHub(language);
  });
})();
