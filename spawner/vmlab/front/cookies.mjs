// Which cookies pass between browsers and machines. Pure.
//
// A trainee is root in a machine. So it must not be told the hub's cookies, and must not make any
// that the hub or another machine would be sent.

const PREFIXES = "(__(secure|host|http|host-http)-)?";
const HUBS = new RegExp(`^${PREFIXES}jupyterhub-(hub-login|session-id|services)$`, "i");
// A machine's server needs the session's id to notice that its visitor logged out at the hub.
const SECRET = new RegExp(`^${PREFIXES}jupyterhub-(hub-login|services)$`, "i");
const CONTROLS = /[\0-\x08\x0a-\x1f\x7f]/; // browsers disagree where such a line ends

/** Return the header `Cookie` for a machine; undefined when nothing of it is left. */
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
  const [pair, ...attributes] = line.split(";");
  const name = pair.includes("=") ? nameOf(pair) : "";
  // One without a name is sent as its value alone, which may look like any other cookie.
  if (!name || HUBS.test(name) || CONTROLS.test(line)) return null;
  const given = new Map(attributes.map((each) => [nameOf(each).toLowerCase(), valueOf(each)]));
  if (given.has("domain")) return null; // it would be sent to the hub or to other machines
  if (!shared) return line;
  const path = given.get("path") ?? "";
  // Else the browser goes by the path as it asked for it, and "/user%2fada%2fx" is below "/".
  if (!path.startsWith("/")) return `${line}; Path=${encodeURI(prefix)}/`;
  return isBelow(path, prefix) ? line : null;
}

function isBelow(path, prefix) {
  try {
    return `${decodeURIComponent(path)}/`.startsWith(`${prefix}/`);
  } catch {
    return false; // no encoding of anything
  }
}

function nameOf(pair) {
  return pair.split("=", 1)[0].trim();
}

function valueOf(pair) {
  return pair.slice(pair.indexOf("=") + 1).trim();
}
