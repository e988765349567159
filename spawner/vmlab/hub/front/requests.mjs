// Which requests the hub answers, and what of them. Pure, but that headers are changed in place.
//
// Pages of machines run in the same browsers as those of the hub, and under the hub's own name where
// only one can be had. What a browser says of a request's origin is the same for both then. So:
// pages, which contain the hub's XSRF token, are sent only when a window navigates to them, so that
// no script can read them; the API answers requests with that token.

/** @import { IncomingHttpHeaders } from "node:http" */

/**
 * Why a request is not let through, or where to.
 * @typedef {{status: number, message: string, location?: string}} Verdict
 */

export const Kind = Object.freeze({
  OPEN: "open", // the same for everybody
  API: "api",
  MACHINE: "machine", // of one that does not run
  PAGE: "page",
});

/**
 * What a request asks for, as far as it is looked at here.
 * @typedef {{method: string, url: string, headers: IncomingHttpHeaders}} Asked
 */

/**
 * JupyterHub compares paths as they are sent to it, and so does this.
 * @type {[RegExp, string][]}
 */
const KINDS = [
  [/^\/hub\/(static\/|vmlab-static\/|vmlab\/hello(\/socket)?$|ssh$|vmlab\/ssh\/vmlab-ssh\.py$|logo$|health$|error\/)|^\/favicon\.ico$/, Kind.OPEN],
  [/^\/hub\/api\/oauth2\/authorize/, Kind.PAGE], // asks for consent
  [/^\/hub\/api(\/|$)/, Kind.API],
  [/^(\/hub)?\/user\//, Kind.MACHINE],
];

/**
 * Tell what a path of the hub is.
 * @param {string} url
 */
export function kindOf(url) {
  if (!isPath(url)) return Kind.PAGE; // of errors
  const path = pathSent(url);
  return KINDS.find(([pattern]) => pattern.test(path))?.[1] ?? Kind.PAGE;
}

/**
 * Tell whether the proxy can read what is asked for: it decodes a path without looking at it first.
 * @param {string} url
 */
export function isPath(url) {
  try {
    decodeURIComponent(new URL(url, "http://x").pathname);
    return true;
  } catch {
    return false;
  }
}

/**
 * The path of what is asked for.
 * @param {string} url
 */
export function withoutQuery(url) {
  return url.replace(/\?.*/s, "");
}

/**
 * The proxy sends on what this makes of a path: "/hub/home" of "/hub/api/%2e%2e/home".
 * @param {string} url
 */
function pathSent(url) {
  return new URL(url.startsWith("//") ? `http://x${url}` : url, "http://x").pathname;
}

/**
 * Judge a request to the hub; take out of its headers what does not count.
 *
 * @param {Asked} req with x-forwarded-host, as believed
 * @param {URL | null} canonical where the hub is; null: at any name
 * @returns {Verdict | null} the refusal; null: let through
 */
export function judge(req, canonical) {
  const { headers } = req;
  const kind = kindOf(req.url);
  const isForeign = canonical !== null && hostOf(headers) !== canonical.hostname;
  if (kind === Kind.OPEN || isForeign) delete headers.cookie;
  if (kind === Kind.OPEN || (isForeign && kind === Kind.API)) return null;
  if (isForeign) return isWindow(headers) && isRead(req) ? lead(req, canonical) : refuse(kind, 421);
  if (isWindow(headers)) return null;
  if (kind !== Kind.API) return refuse(kind, 403);
  // JupyterHub mistakes some scripts' requests for navigations: those with "no-cors", which can still
  // be read under a shared origin.
  headers["sec-fetch-mode"] = "cors";
  return null;
}

/**
 * Tell whether a request's body would go on as another request, of which nothing here was looked at:
 * of these methods http-proxy-3 drops how a body is framed, but not the body (web-incoming.js,
 * `deleteLength`).
 * @param {Pick<Asked, "method" | "headers">} req
 */
export function losesFrame({ method, headers }) {
  const isChunked = headers["transfer-encoding"] !== undefined;
  return isChunked && (method === "DELETE" || method === "OPTIONS");
}

/**
 * Browsers send these headers in secure contexts (HTTPS, localhost). A request without them is a
 * program's, or cannot be told apart (docs/operator.md).
 * @param {IncomingHttpHeaders} headers
 */
function isWindow(headers) {
  const mode = headers["sec-fetch-mode"];
  return mode === undefined || (mode === "navigate" && headers["sec-fetch-dest"] === "document");
}

/** @param {Pick<Asked, "method">} req */
function isRead({ method }) {
  return method === "GET" || method === "HEAD";
}

/**
 * Return the name under which a browser asks, empty when it is not one.
 * @param {IncomingHttpHeaders} headers
 */
export function hostOf(headers) {
  const said = String(headers["x-forwarded-host"] ?? headers.host ?? "");
  const host = said.replace(/,.*/s, "").trim();
  return URL.canParse(`http://${host}`) ? new URL(`http://${host}`).hostname : "";
}

/**
 * @param {Asked} req
 * @param {URL} canonical
 */
function lead(req, canonical) {
  const { pathname, search } = new URL(req.url, canonical);
  return { status: 302, location: `${canonical.origin}${pathname}${search}`, message: "elsewhere" };
}

/**
 * @param {string} kind
 * @param {number} status
 */
function refuse(kind, status) {
  // 424 tells JupyterLab that its server does not run.
  if (kind === Kind.MACHINE) return { status: 424, message: "this server is not running" };
  if (status === 421) return { status, message: "the hub does not answer at this host name" };
  return { status, message: "pages of the hub can only be opened in a browser window, not loaded by scripts or frames" };
}
