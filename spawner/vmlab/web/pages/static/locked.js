// A locked login page says when to try again: in the reader's time of day, and in how many seconds.

const TEXTS = {
  en: {
    until: (time, seconds) => `at ${time} (in ${seconds} s).`,
    over: "now.",
  },
  fr: {
    until: (time, seconds) => `à ${time} (dans ${seconds} s).`,
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
