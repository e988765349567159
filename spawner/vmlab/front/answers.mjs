// What answers may say to browsers: a machine's less than it would, the hub's more. Pure, but that
// headers are changed in place.

import { ownCookie } from "./cookies.mjs";
import { Kind, kindOf } from "./requests.mjs";

// What a server says with these holds for more than its own page: for all pages of the name, for
// names below or beside it, or for the time after it.
const BEYOND_THE_PAGE = [
  "alt-svc",
  "clear-site-data",
  "nel",
  "public-key-pins",
  "public-key-pins-report-only",
  "report-to",
  "reporting-endpoints",
  "service-worker-allowed",
  "set-cookie2",
  "strict-transport-security",
];
// A page that says the same as the hub's keeps a hand on those that it opens.
const OPENER = ["cross-origin-opener-policy", "cross-origin-opener-policy-report-only"];

/** Take out of a machine's answer what is no affair of a machine. */
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
 * Say with every answer of the hub what others may do with it.
 *
 * @param {string} path as the browser asked for it
 * @param {string} machines the origins of machines, as a policy names them; empty: the hub's own
 * @param {string[]} expired cookies that are to go
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
