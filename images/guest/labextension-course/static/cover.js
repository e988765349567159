// The start's last page, which the server put before JupyterLab (vmlab_guest/cover.html), is taken
// away as soon as there is something to see behind it.

const LONGEST_WAIT_MS = 10_000; // for the exercises, once JupyterLab is drawn

/**
 * Tick a step of the cover.
 * @param {"lab" | "exercises"} step
 */
export function tick(step) {
  const row = document.querySelector(`#vmlab-cover [data-step="${step}"]`);
  if (row instanceof HTMLElement) row.dataset.state = "done";
}

/**
 * Show JupyterLab when its files are there, or could not be had in time.
 * @param {Promise<void>} hasArrived
 */
export async function lift(hasArrived, limit = LONGEST_WAIT_MS) {
  const isLate = new Promise((resolve) => setTimeout(resolve, limit));
  try {
    await Promise.race([hasArrived, isLate]);
  } catch (error) {
    console.warn("vmlab-course:", error); // JupyterLab is there all the same
  }
  // Twice: what was added just now is painted before the second one.
  requestAnimationFrame(() => requestAnimationFrame(() => document.getElementById("vmlab-cover")?.remove()));
}
