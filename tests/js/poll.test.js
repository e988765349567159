import assert from "node:assert/strict";
import { test } from "node:test";

import { poll } from "#pages/poll.js";

/**
 * Let nobody look while a question is under way, then answer it; return what was told, in order.
 * @param {() => Promise<Response>} answer
 */
async function tellWhileAway(answer) {
  /** @type {(value: any) => void} */
  let settle = () => {};
  const page = Object.assign(new EventTarget(), { hidden: false });
  /** @type {string[]} */
  const told = [];
  const ended = new Promise((resolve) => {
    Object.assign(globalThis, {
      document: page,
      window: { jhdata: { xsrf_token: "" } },
      fetch: () => new Promise((fulfil) => (settle = fulfil)),
      console: { ...console, warn() {} },
    });
    poll(() => "http://hub.invalid/", {
      data: () => resolve(told.push("data")),
      lost: () => resolve(told.push("lost")),
      paused: () => told.push("paused"),
    });
  });
  page.hidden = true;
  page.dispatchEvent(new Event("visibilitychange"));
  settle(answer());
  await ended;
  return told;
}

test("an answer that comes when nobody looks any more leaves the page paused", async () => {
  assert.deepEqual(await tellWhileAway(async () => Response.json({})), ["paused", "data", "paused"]);
});

test("so does a question that fails then", async () => {
  assert.deepEqual(await tellWhileAway(() => Promise.reject(new TypeError())), ["paused", "lost", "paused"]);
});
