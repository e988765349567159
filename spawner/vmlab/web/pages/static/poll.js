// Asking again and again: slower after failures, not at all while nobody looks.

const PERIOD_MS = 3000;
const LONGEST_MS = 30000;
const LIMIT_MS = 15000;

/**
 * Ask `url()` every 3 seconds while the page is visible.
 * @param {object} on `data(json)`, `lost(waitSeconds, httpStatus)`, `refused()`, `paused()`
 * @returns {function} asks at once
 */
export function poll(url, on) {
  let timer = 0;
  let failures = 0;
  let running = null;

  async function ask() {
    clearTimeout(timer);
    if (running) running.abort();
    const mine = (running = new AbortController());
    const limit = setTimeout(() => mine.abort(), LIMIT_MS);
    try {
      const response = await fetch(url(), {
        headers: { "X-XSRFToken": window.jhdata.xsrf_token, Accept: "application/json" },
        signal: mine.signal,
      });
      if (response.status === 401 || response.status === 403) {
        on.refused();
        return;
      }
      if (!response.ok) {
        throw Object.assign(new Error(`HTTP ${response.status}`), { status: response.status });
      }
      const data = await response.json();
      if (mine !== running) return;
      failures = 0;
      on.data(data);
      again(PERIOD_MS);
    } catch (error) {
      if (mine !== running) return; // a newer question is under way
      console.warn("vmlab:", error);
      failures += 1;
      const wait = Math.min(LONGEST_MS, PERIOD_MS * 2 ** (failures - 1));
      on.lost(Math.round(wait / 1000), error.status);
      again(wait);
    } finally {
      clearTimeout(limit);
    }
  }

  function again(wait) {
    clearTimeout(timer);
    if (!document.hidden) timer = setTimeout(ask, wait);
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      clearTimeout(timer);
      on.paused();
    } else {
      ask();
    }
  });
  ask();
  return ask;
}
