// Offers to take the cover away when JupyterLab is late. cover.html holds it: the page asks for no file.
(() => {
  const LATE_MS = 45_000;

  const cover = document.getElementById("vmlab-cover");
  const late = document.getElementById("vmlab-cover-late");
  if (!cover || !late) return;
  late.querySelector("button")?.addEventListener("click", () => cover.remove());
  setTimeout(() => {
    late.hidden = false;
  }, LATE_MS);
})();
