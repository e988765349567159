// What answers tell browsers: headers that a machine may not send are removed, and the hub's security
// headers are added. Pure, except that headers are changed in place.

import { ownCookie } from "./cookies.mjs";
import { Kind, kindOf } from "./requests.mjs";

/** @import { IncomingHttpHeaders } from "node:http" */

// These headers apply to more than their own page: to all pages of the host name, to names below or
// beside it, or to later visits.
const BEYOND_THE_PAGE = [
  "accept-ch",
  "activate-storage-access",
  "alt-svc",
  "clear-site-data",
  "critical-ch",
  "nel",
  "public-key-pins",
  "public-key-pins-report-only",
  "report-to",
  "reporting-endpoints",
  "sec-session-registration",
  "secure-session-challenge",
  "secure-session-registration",
  "service-worker-allowed",
  "set-cookie2",
  "set-login",
  "strict-transport-security",
  "use-as-dictionary",
];
// With the same policy as the hub's pages, a page would keep a reference to those that it opens.
const OPENER = ["cross-origin-opener-policy", "cross-origin-opener-policy-report-only"];

/**
 * Remove from a machine's answer what a machine may not set.
 *
 * @param {IncomingHttpHeaders} headers
 * @param {string} prefix the machine's path
 * @param {boolean} shared whether machines are under the hub's own name
 */
export function cleanMachine(headers, prefix, shared) {
  for (const name of BEYOND_THE_PAGE) delete headers[name];
  if (shared) for (const name of OPENER) delete headers[name];
  const cookies = (headers["set-cookie"] ?? [])
    .map((line) => ownCookie(line, prefix, shared))
    .filter((line) => line !== null);
  if (cookies.length) headers["set-cookie"] = cookies;
  else delete headers["set-cookie"];
}

/**
 * Add to an answer of the hub what other pages may do with it.
 *
 * @param {IncomingHttpHeaders} headers
 * @param {string} path as the browser asked for it
 * @param {string} machines the origins of machines, as a policy names them; empty: the hub's own
 * @param {string[]} expired Set-Cookie lines that delete cookies
 */
export function sealHub(headers, path, machines, expired) {
  const isPage = /^text\/html\b/i.test(headers["content-type"] ?? "text/html");
  headers["content-security-policy"] = isPage ? pagePolicy(machines) : NO_PAGE;
  headers["cross-origin-opener-policy"] = "same-origin";
  headers["cross-origin-resource-policy"] = "same-origin";
  headers["permissions-policy"] = "camera=(), geolocation=(), microphone=(), payment=(), usb=()";
  // Under one name "same-origin" would tell machines the whole URL of a page.
  headers["referrer-policy"] = "strict-origin";
  headers["x-content-type-options"] = "nosniff";
  if (expired.length) headers["set-cookie"] = [...(headers["set-cookie"] ?? []), ...expired];
  // A script of the same origin can read a page out of the browser's cache without asking for it.
  if (kindOf(path) !== Kind.OPEN) headers["cache-control"] = "no-store";
}

const NO_PAGE = "default-src 'none'; frame-ancestors 'none'";

/** @param {string} machines */
function pagePolicy(machines) {
  return [
    "default-src 'self'",
    // JupyterHub's templates have inline scripts that differ with each page: no list of hashes.
    "script-src 'self' 'unsafe-inline'",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "font-src 'self' data:",
    "object-src 'none'",
    "frame-src 'none'",
    "worker-src 'none'",
    "base-uri 'none'",
    // Log-in and consent end at the machine that asked for them, and browsers look at that too.
    `form-action 'self' ${machines}`.trim(),
    "frame-ancestors 'none'",
  ].join("; ");
}
