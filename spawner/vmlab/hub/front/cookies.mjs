// Which cookies pass between browsers and machines. Pure.
//
// A trainee is root in a machine. So it must not receive the hub's cookies, and must not set any that
// browsers would send to the hub or to another machine.

import { withoutQuery } from "./requests.mjs";

const PREFIXES = "(__(secure|host|http|host-http)-)?";
const HUBS = new RegExp(`^${PREFIXES}jupyterhub-(hub-login|session-id|services)$`, "i");
// A machine's server needs the session's id to notice that its visitor logged out at the hub.
const SECRET = new RegExp(`^${PREFIXES}jupyterhub-(hub-login|services)$`, "i");
const LOGIN = "jupyterhub-hub-login";
const LOGIN_PATH = "/hub/";
const CONTROLS = /[\0-\x08\x0a-\x1f\x7f]/; // browsers disagree where such a line ends
// More than this is not a name, and which bytes around it are blanks is another matter for Python, for
// JavaScript and for browsers: what one of them cuts off, another takes for a part of the name.
const NAME = /^[!-~]+$/;
const BLANKS_OF_BROWSERS = /^[ \t]+|[ \t]+$/g;
const BLANKS_OF_THE_HUB = /^[\s\x1c-\x1f\x85]+|[\s\x1c-\x1f\x85]+$/g; // Python's, str.strip

/**
 * Return the header `Cookie` for a machine; undefined when nothing of it is left.
 * @param {string | undefined} header
 */
export function withoutHubCookies(header) {
  const pairs = (header ?? "").split(";").filter((pair) => !SECRET.test(nameOf(pair)));
  return pairs.join(";").trim() || undefined;
}

/**
 * Return one line `Set-Cookie` of a machine as a browser may have it, or null.
 *
 * @param {string} line
 * @param {string} prefix the machine's path, such as "/user/ada"
 * @param {boolean} shared whether machines are under the hub's own name
 */
export function ownCookie(line, prefix, shared) {
  const [pair = "", ...attributes] = line.split(";");
  const name = pair.includes("=") ? nameOf(pair) : "";
  // A cookie without a name is sent as its value alone, which may look like any other cookie.
  if (!name || HUBS.test(name) || CONTROLS.test(line)) return null;
  const given = new Map(attributes.map((each) => [nameOf(each).toLowerCase(), valueOf(each)]));
  given.delete("");
  if (![name, ...given.keys()].every((each) => NAME.test(each))) return null;
  if (given.has("domain")) return null; // it would be sent to the hub or to other machines
  if (!shared) return line;
  const path = given.get("path") ?? "";
  // Else the browser goes by the path as it asked for it, and "/user%2fada%2fx" is below "/".
  if (!path.startsWith("/")) return `${line}; Path=${encodeURI(prefix)}/`;
  return isBelow(path, prefix) ? line : null;
}

/**
 * Return what a request to the hub says when somebody else has added a login cookie.
 *
 * A page can set one for any path of its name, and with a real name without TLS for names above its
 * own; then nobody knows which is the hub's. But it cannot set the hub's own, which is HttpOnly: so
 * none counts this time, and those on all other paths are deleted.
 *
 * @param {string | undefined} header
 * @param {string} url
 * @param {string} host
 * @returns {{header: string | undefined, expired: string[]}}
 */
export function sortLogins(header, url, host) {
  const pairs = (header ?? "").split(";");
  const others = pairs.filter((pair) => nameOf(pair, BLANKS_OF_THE_HUB) !== LOGIN);
  if (pairs.length - others.length < 2) return { header, expired: [] };
  const paths = pathsAbove(withoutQuery(url));
  const gone = (/** @type {string} */ path) => `${LOGIN}=; Max-Age=0; Path=${path}`;
  return {
    header: others.join(";").trim() || undefined,
    expired: [
      ...paths.filter((path) => path !== LOGIN_PATH).map(gone),
      ...(mayBeDomain(host) ? paths.map((path) => `${gone(path)}; Domain=${host}`) : []),
    ],
  };
}

/**
 * For an address it is the same as without, and so would be the hub's own.
 * @param {string} host
 */
function mayBeDomain(host) {
  return host.includes(".") && !/(^|\.)[0-9]+$|:/.test(host);
}

/**
 * All paths whose cookies are sent with this one: "/", "/hub", "/hub/", "/hub/home".
 * @param {string} path
 */
function pathsAbove(path) {
  const ends = [...path.matchAll(/\/|$/g)].flatMap(({ index }) => [index, index + 1]);
  const cuts = new Set(ends.filter((end) => end > 0 && end <= path.length));
  return [...cuts].map((end) => path.slice(0, end));
}

/**
 * @param {string} path
 * @param {string} prefix
 */
function isBelow(path, prefix) {
  try {
    return `${decodeURIComponent(path)}/`.startsWith(`${prefix}/`);
  } catch {
    return false; // no encoding of anything
  }
}

/** @param {string} pair */
function nameOf(pair, blanks = BLANKS_OF_BROWSERS) {
  return (pair.split("=", 1)[0] ?? "").replace(blanks, "");
}

/** @param {string} pair */
function valueOf(pair) {
  return pair.slice(pair.indexOf("=") + 1).replace(BLANKS_OF_BROWSERS, "");
}
