// Asking again and again: slower after failures, not at all while nobody looks.

import { call, statusOf } from "./hub-api.js";

const PERIOD_MS = 3000;
const LONGEST_MS = 30000;
const LIMIT_MS = 15000;

/**
 * What is done with answers.
 * @typedef {object} On
 * @property {(answer: any) => void} data as docs/protocols.md says it for this call
 * @property {(waitS: number, httpStatus: number) => void} [lost] no answer, or none that helps: status 0 or HTTP's
 * @property {() => void} [refused] the session is over, or access was taken away
 * @property {() => void} [paused] nobody looks
 * @property {() => boolean} [isWanted] whether to ask again; always, when it is left out
 */

/**
 * How long to wait for the next question after so many failures in a row.
 * @param {number} failures
 */
export function waitAfter(failures) {
  return failures ? Math.min(LONGEST_MS, PERIOD_MS * 2 ** (failures - 1)) : PERIOD_MS;
}

/**
 * Ask `url()` every 3 seconds while the page is visible.
 * @param {() => string} url
 * @param {On} on
 * @returns {() => void} asks at once
 */
export function poll(url, on) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let failures = 0;
  /** @type {AbortController | null} */
  let running = null;

  const isOver = () => on.isWanted?.() === false;

  async function ask() {
    clearTimeout(timer);
    if (isOver()) return;
    running?.abort();
    const mine = new AbortController();
    running = mine;
    const limit = setTimeout(() => mine.abort(), LIMIT_MS);
    try {
      const answer = await call(url(), "GET", { signal: mine.signal });
      if (mine !== running) return;
      failures = 0;
      on.data(answer);
      again();
    } catch (error) {
      if (mine === running) lose(error); // else a newer question is under way
    } finally {
      clearTimeout(limit);
    }
  }

  /** @param {unknown} error */
  function lose(error) {
    const status = statusOf(error);
    if (status === 401 || status === 403) {
      on.refused?.();
      return;
    }
    console.warn("vmlab:", error);
    failures += 1;
    on.lost?.(Math.round(waitAfter(failures) / 1000), status);
    again();
  }

  function again() {
    clearTimeout(timer);
    if (document.hidden) on.paused?.(); // since the question was asked
    else if (!isOver()) timer = setTimeout(ask, waitAfter(failures));
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      clearTimeout(timer);
      on.paused?.();
    } else {
      ask();
    }
  });
  ask();
  return ask;
}
