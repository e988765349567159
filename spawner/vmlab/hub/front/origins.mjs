// Separates hub and machines, in the one place that sees all requests and all answers.

import { cleanMachine, sealHub } from "./answers.mjs";
import { sortLogins, withoutHubCookies } from "./cookies.mjs";
import { hostOf, isPath, judge, losesFrame, withoutQuery } from "./requests.mjs";

/** @import { IncomingMessage, ServerResponse } from "node:http" */
/** @import { EventEmitter } from "node:events" */
/** @import { Socket } from "node:net" */
/** @import { Found } from "./lab_files.mjs" */
/** @import { Asked, Verdict } from "./requests.mjs" */

/**
 * A request to a server, which always has these two.
 * @typedef {IncomingMessage & {method: string, url: string}} Request
 *
 * @typedef {(answer: IncomingMessage, req: Request) => void} OnAnswer
 * @typedef {(req: Request, prefix: string) => Found | null} FindFile
 * @typedef {{canonical: string, machines: string, shared: boolean}} Origins see vmlab.lab.origins.Origins
 */

/**
 * What is met of configurable-http-proxy, which has no types.
 *
 * @typedef {object} Proxy
 * @property {{info(...words: unknown[]): void}} log
 * @property {EventEmitter} proxy
 * @property {(req: Request) => Promise<{prefix: string} | undefined>} targetForReq
 * @property {(code: number, kind: string, req: Request, res: any, error?: unknown) => void}
 *   handleProxyError `res` is a response, or a socket if `kind` is "ws"
 * @typedef {{prototype: Proxy}} ProxyClass
 */

// "/user/ada", or with names of their own "/ada-vmlab.localhost/user/ada".
const MACHINE = /^(?:\/[^/]+)?(\/user\/[^/]+)/;

const NO_LENGTH = { status: 411, message: "a body of this method needs a Content-Length" };

// Found here, so that the machine need not be asked.
class Ready extends Error {
  /** @param {Found} file */
  constructor(file) {
    super("sent from the host");
    this.file = file;
  }
}

// Nobody's path: the hub's page says that there is no such page.
class Unreadable extends Error {}

class Refusal extends Error {
  /** @param {Verdict} verdict */
  constructor({ status, message, location }) {
    super(message);
    this.status = status;
    /** @type {Record<string, string>} */
    this.headers = { "Content-Type": "application/json", "Cache-Control": "no-store" };
    if (location) this.headers.Location = location;
  }
}

/**
 * Guard the borders of every proxy that is made from now on.
 *
 * @param {ProxyClass} ConfigurableProxy
 * @param {Origins} origins
 * @param {FindFile} findFile see lab_files.mjs
 * @returns {OnAnswer} to be called with every answer, before it goes on
 */
export function guard(ConfigurableProxy, { canonical, machines, shared }, findFile) {
  const hub = canonical ? new URL(canonical) : null;
  /** @type {WeakMap<Request, string>} the machine's path; "" for the hub */
  const prefixes = new WeakMap();
  /** @type {WeakMap<Request, string[]>} cookies that are to go with its answer */
  const expired = new WeakMap();
  const { targetForReq, handleProxyError } = ConfigurableProxy.prototype;

  // Where a request goes is known here only, by the proxy's own reading of its path.
  ConfigurableProxy.prototype.targetForReq = async function (req) {
    if (!isPath(req.url)) throw new Unreadable();
    if (losesFrame(req)) throw new Refusal(NO_LENGTH);
    const match = await targetForReq.call(this, req);
    const prefix = MACHINE.exec(match?.prefix ?? "")?.[1] ?? "";
    prefixes.set(req, prefix);
    if (!prefix) expired.set(req, sortCookies(req));
    const verdict = prefix ? judgeMachine(req, shared) : judge(req, hub);
    if (verdict) throw new Refusal(verdict);
    const file = prefix && !req.headers.upgrade ? findFile(req, prefix) : null;
    if (file) throw new Ready(file);
    return match;
  };

  ConfigurableProxy.prototype.handleProxyError = function (code, kind, req, res, error) {
    if (error instanceof Ready) {
      endWith(res, req, error.file);
      return;
    }
    if (!(error instanceof Refusal)) {
      if (kind === "web" && res?.headersSent === false) sealError(res, req.url, machines);
      if (error instanceof Unreadable) handleProxyError.call(this, 404, kind, req, res);
      else handleProxyError.call(this, code, kind, req, res, error);
      // It leaves that to its library, which has not heard of a request that got no target.
      if (kind === "ws") res?.end();
      return;
    }
    this.log.info("%s %s %s: %s", error.status, req.method, withoutQuery(req.url), error.message);
    if (kind === "ws") endSocket(res, error);
    else endRequest(res, error);
  };

  return (answer, req) => {
    const prefix = prefixes.get(req);
    if (prefix) cleanMachine(answer.headers, prefix, shared);
    else sealHub(answer.headers, req.url, machines, expired.get(req) ?? []);
  };
}

/**
 * The page of an error is the hub's, which the proxy asks it for by itself. Of an answer that broke off
 * headers may be there, such as the length of another body.
 *
 * @param {ServerResponse} res
 * @param {string} path
 * @param {string} machines
 */
function sealError(res, path, machines) {
  for (const name of res.getHeaderNames()) res.removeHeader(name);
  res.statusMessage = "";
  /** @type {Record<string, string | string[]>} */
  const headers = {};
  sealHub(headers, path, machines, []);
  for (const [name, value] of Object.entries(headers)) res.setHeader(name, value);
}

/** @param {Asked} req */
function sortCookies({ headers, url }) {
  const { header, expired } = sortLogins(headers.cookie, url, hostOf(headers));
  setCookie(headers, header);
  return expired;
}

/**
 * @param {Asked["headers"]} headers
 * @param {string | undefined} cookie
 */
function setCookie(headers, cookie) {
  if (cookie) headers.cookie = cookie;
  else delete headers.cookie;
}

/**
 * @param {Asked} req
 * @param {boolean} shared
 */
function judgeMachine({ headers }, shared) {
  setCookie(headers, withoutHubCookies(headers.cookie));
  // It could answer for its pages with headers that this proxy never sees.
  if (!shared || headers["service-worker"] === undefined) return null;
  return { status: 403, message: "service workers need a machine with a name of its own" };
}

/**
 * @param {ServerResponse} res
 * @param {Request} req
 * @param {Found} file
 */
function endWith(res, { method }, { headers, body }) {
  res.writeHead(200, { ...headers, "Content-Length": body.length });
  res.end(method === "HEAD" ? undefined : body);
}

/**
 * @param {ServerResponse} res
 * @param {Refusal} refusal
 */
function endRequest(res, { status, headers, message }) {
  res.writeHead(status, headers);
  res.end(JSON.stringify({ status, message }));
}

/**
 * @param {Socket} socket
 * @param {Refusal} refusal
 */
function endSocket(socket, { status }) {
  socket.end(`HTTP/1.1 ${status} Refused\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
}
