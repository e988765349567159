// A locked log-in says until when: the time of day where the reader is, and how many seconds that is.

const TEXTS = {
  en: {
    until: (time, seconds) => `at ${time} (in ${seconds} seconds).`,
    over: "now.",
  },
  fr: {
    until: (time, seconds) => `à ${time} (dans ${seconds} secondes).`,
    over: "maintenant.",
  },
};

const box = document.getElementById("vm-locked");

function render(until) {
  const language = window.vmlab.language();
  const texts = TEXTS[language] || TEXTS.en;
  const seconds = Math.ceil((until - Date.now()) / 1000);
  box.querySelector(".vm-locked-when").textContent =
    seconds > 0 ? texts.until(until.toLocaleTimeString(language, { hour12: false }), seconds) : texts.over;
}

if (box) {
  const waitMs = Number(box.dataset.waitS) * 1000;
  const until = new Date(Date.now() + waitMs); // by the reader's clock, whatever the hub's says
  render(until);
  document.addEventListener("vmlab-language", () => render(until));
  setTimeout(() => render(until), waitMs + 100);
}
