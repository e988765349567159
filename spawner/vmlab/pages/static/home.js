// The home page's button that switches the machine off.

const TEXTS = {
  en: {
    stopping: "Switching off …",
    failed: "It could not be switched off; please try again.",
  },
  fr: {
    stopping: "Extinction en cours …",
    failed: "L'extinction a échoué ; réessayez.",
  },
};

const home = document.getElementById("vm-home");
const button = document.getElementById("stop");
const status = document.getElementById("vm-home-status");
const t = () => TEXTS[window.vmlab.language()] || TEXTS.en;

button?.addEventListener("click", async () => {
  button.disabled = true;
  status.textContent = t().stopping;
  try {
    const response = await fetch(home.dataset.stopUrl, {
      method: "DELETE",
      headers: { "X-XSRFToken": window.jhdata.xsrf_token },
    });
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    window.location.reload();
  } catch (error) {
    console.warn("stop:", error);
    button.disabled = false;
    status.textContent = t().failed;
  }
});
