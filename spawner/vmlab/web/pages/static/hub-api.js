// The hub's API, asked as this page's user.

/** @import { Language, Localized } from "../types" */

/** An answer of the hub that is not a success. */
export class Refusal extends Error {
  /**
   * @param {number} status of HTTP
   * @param {Partial<Localized>} [words] why, where the answer says it
   */
  constructor(status, words = {}) {
    super(`HTTP ${status}`);
    this.status = status;
    this.words = words;
  }

  /**
   * Why, in words for the reader; empty when the answer has none.
   * @param {Language} language
   */
  said(language) {
    return this.words[language] ?? "";
  }
}

/** @param {Response} response */
async function refusalOf(response) {
  const body = await response.json().catch(() => null);
  return new Refusal(response.status, body ?? {});
}

/**
 * Ask the hub.
 *
 * @param {string | URL} url
 * @param {"GET" | "POST" | "DELETE"} method
 * @param {{body?: object, signal?: AbortSignal}} more
 * @returns {Promise<any>} the answer decoded, null if it is not JSON: docs/protocols.md says what it holds
 * @throws {Refusal} the answer is not a success
 */
export async function call(url, method = "GET", { body, signal } = {}) {
  /** @type {Record<string, string>} */
  const headers = { "X-XSRFToken": window.jhdata.xsrf_token, Accept: "application/json" };
  if (body) headers["Content-Type"] = "application/json"; // the hub refuses other types
  const response = await fetch(url, {
    method,
    headers,
    body: body ? JSON.stringify(body) : null,
    signal: signal ?? null,
    keepalive: method !== "GET", // the page may be left at once
  });
  if (!response.ok) throw await refusalOf(response);
  const type = response.headers.get("Content-Type") || "";
  return type.includes("json") ? response.json() : null;
}

/**
 * The HTTP status of what `call` threw; 0 when there was no answer.
 * @param {unknown} error
 */
export function statusOf(error) {
  return error instanceof Refusal ? error.status : 0;
}

/**
 * Wait.
 * @param {number} ms
 */
export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
