// From the API's answer to what can be done in the list of people. Values in, values out.

/** @import { Person } from "../types" */

/** Somebody who did something so many seconds ago works. */
export const WORKS_S = 300;

const ON = new Set(["running", "starting", "pending", "waiting", "unknown"]);
const STAFF = new Set(["trainers", "facilitators", "administrators"]);

/**
 * Whether the row is of somebody who has no machine and is to get none: staff look at others'.
 * @param {Pick<Person, "role" | "state">} row
 */
export function hasNone(row) {
  return STAFF.has(row.role) && row.state === "absent";
}

/**
 * Whether a machine can be started by the reader.
 * @param {Pick<Person, "role" | "state" | "may_start">} row
 */
export function canStart(row) {
  return row.may_start && !ON.has(row.state) && !hasNone(row);
}

/**
 * Whether a machine, or its start, can be stopped by the reader.
 * @param {Pick<Person, "state" | "may_stop">} row
 */
export function canStop(row) {
  return row.may_stop && ON.has(row.state) && row.state !== "unknown";
}

/**
 * The rows whose name has these letters in it.
 * @template {Pick<Person, "user">} Row
 * @param {Row[]} rows
 * @param {string} letters
 */
export function find(rows, letters) {
  const wanted = letters.trim().toLowerCase();
  return rows.filter((row) => row.user.toLowerCase().includes(wanted));
}

/**
 * Of these rows: how many work just now, and how many machines do not say.
 * @param {Pick<Person, "state" | "machine">[]} rows
 * @param {Record<string, number>} idle seconds for which nobody has worked, by machine
 */
export function countWork(rows, idle) {
  const running = rows.filter((row) => row.state === "running");
  const told = running.flatMap((row) => idle[row.machine] ?? []);
  return {
    working: told.filter((seconds) => seconds < WORKS_S).length,
    unknown: running.length - told.length,
  };
}
