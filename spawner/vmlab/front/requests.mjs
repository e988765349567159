// Which requests the hub answers, and what of them. Pure, but that headers are changed in place.
//
// Pages of machines run in the same browsers as those of the hub, and under the hub's own name where
// only one can be had. What a browser says of a request's origin is the same for both then. So:
// pages, which carry the proof that a request is the hub's own (XSRF), are for windows and nobody
// reads them by a script; the API is answered to whoever has that proof.

export const Kind = Object.freeze({
  OPEN: "open", // the same for everybody
  API: "api",
  MACHINE: "machine", // of one that does not run
  PAGE: "page",
});

// JupyterHub compares paths as they are sent, and so does this.
const KINDS = [
  [/^\/hub\/(static\/|vmlab-static\/|vmlab\/hello(\/socket)?$|logo$|health$|error\/)|^\/favicon\.ico$/, Kind.OPEN],
  [/^\/hub\/api\/oauth2\/authorize/, Kind.PAGE], // asks for consent
  [/^\/hub\/api(\/|$)/, Kind.API],
  [/^(\/hub)?\/user\//, Kind.MACHINE],
];

/** Tell what a path of the hub is. */
export function kindOf(url) {
  const path = url.split("?", 1)[0];
  return KINDS.find(([pattern]) => pattern.test(path))?.[1] ?? Kind.PAGE;
}

/**
 * Judge a request to the hub; take out of its headers what does not count.
 *
 * @param {{method: string, url: string, headers: object}} req with x-forwarded-host, as believed
 * @param {URL | null} canonical where the hub is; null: at any name
 * @returns {{status: number, message: string, location?: string} | null} why it is refused
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
  // JupyterHub takes some scripts for windows: those that say "no-cors", which can read all the same.
  headers["sec-fetch-mode"] = "cors";
  return null;
}

// Browsers say it wherever pages are safe from the network. Whoever says nothing is a program, or
// cannot be told apart (docs/operator.md).
function isWindow(headers) {
  const mode = headers["sec-fetch-mode"];
  return mode === undefined || (mode === "navigate" && headers["sec-fetch-dest"] === "document");
}

function isRead({ method }) {
  return method === "GET" || method === "HEAD";
}

/** Return the name under which a browser asks, empty when it is none. */
export function hostOf(headers) {
  const host = (headers["x-forwarded-host"] ?? headers.host ?? "").split(",", 1)[0].trim();
  return URL.canParse(`http://${host}`) ? new URL(`http://${host}`).hostname : "";
}

function lead(req, canonical) {
  const { pathname, search } = new URL(req.url, canonical);
  return { status: 302, location: `${canonical.origin}${pathname}${search}`, message: "elsewhere" };
}

function refuse(kind, status) {
  // JupyterLab knows by 424 that its server does not run.
  if (kind === Kind.MACHINE) return { status: 424, message: "this server is not running" };
  if (status === 421) return { status, message: "the hub does not answer at this name" };
  return { status, message: "pages of the hub are for windows of a browser, not for scripts" };
}
