// Starting and stopping other people's machines: one at a click, all after a question.

import { duration } from "./board-text.js";
import { askFirst } from "./dialog.js";
import { call, statusOf } from "./hub-api.js";
import { countWork, WORKS_S } from "./people-model.js";
import { peopleTexts } from "./people-text.js";
import { serverPath } from "./seat.js";

/** @import { Person } from "../types" */
/** @typedef {{title: string, texts: string[], yes: string, no: string}} Question */

const AT_ONCE = 6; // a browser has about so many connections to one host

/** @param {string} path */
const api = (path) => `${window.jhdata.base_url}api/${path}`;

/**
 * Start one machine. Throws when the hub refuses.
 * @param {Person} row
 */
export const start = (row) => call(api(serverPath(row)), "POST");

/**
 * Ask, telling whether somebody works in it, and stop one machine.
 * @param {Person} row
 * @param {string} name
 */
export async function stop(row, name) {
  const t = peopleTexts();
  const idle = await askWhoWorks(`?user=${encodeURIComponent(row.user)}`);
  const idleS = idle?.[row.machine];
  const known = idleS === undefined ? t.workNotKnown : idleS < WORKS_S ? t.works : t.rests(duration(idleS));
  ask([row], "DELETE", {
    title: t.stopTitle(name),
    texts: [...(row.state === "running" ? [known] : []), t.stays],
    yes: t.yesStop(1),
    no: t.noStop(1),
  });
}

/**
 * Ask, telling how many people work just now, and stop these machines.
 * @param {Person[]} rows
 */
export async function stopAll(rows) {
  const t = peopleTexts();
  const idle = await askWhoWorks();
  const { working, unknown } = countWork(rows, idle || {});
  const texts = idle ? [t.workNow(working, rows.length)] : [t.workNotKnown];
  if (idle && unknown) texts.push(t.workUnknown(unknown));
  ask(rows, "DELETE", {
    title: t.stopAllTitle(rows.length),
    texts: [...texts, t.stays],
    yes: t.yesStop(rows.length),
    no: t.noStop(rows.length),
  });
}

/**
 * Ask, and start these machines.
 * @param {Person[]} rows
 */
export function startAll(rows) {
  const t = peopleTexts();
  ask(rows, "POST", {
    title: t.startAllTitle(rows.length),
    texts: [t.startAllHow],
    yes: t.yesStart(rows.length),
    no: t.noStart,
  });
}

/**
 * Seconds for which nobody has worked, by machine; null when that cannot be known.
 * @returns {Promise<Record<string, number> | null>}
 */
async function askWhoWorks(query = "") {
  try {
    return (await call(api(`vmlab/people/work${query}`))).idle_s;
  } catch (error) {
    console.warn("vmlab:", error);
    return null;
  }
}

/**
 * @param {Person[]} rows
 * @param {"POST" | "DELETE"} method
 * @param {Question} words
 */
function ask(rows, method, words) {
  const t = peopleTexts();
  askFirst(
    { ...words, close: t.close },
    async (tell) => {
      const refused = await callAll(rows, method, (count) => tell(t.going(count, rows.length)));
      tell(refused.length ? t.failedFor(refused.join(", ")) : t.done(rows.length));
    },
    () => t.lost,
  );
}

/**
 * Call the hub for each row, a few at a time; return the names for which it refused.
 * @param {Person[]} rows
 * @param {"POST" | "DELETE"} method
 * @param {(count: number) => void} tell
 */
async function callAll(rows, method, tell) {
  const waiting = [...rows];
  /** @type {string[]} */
  const refused = [];
  let count = 0;
  const work = async () => {
    for (let row = waiting.shift(); row; row = waiting.shift()) {
      try {
        await call(api(serverPath(row)), method);
      } catch (error) {
        console.warn("vmlab:", row.user, error);
        // 400 to a start: somebody else was faster.
        if (!(method === "POST" && statusOf(error) === 400)) refused.push(row.user);
      }
      tell((count += 1));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return refused;
}
