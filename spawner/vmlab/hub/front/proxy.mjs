// The lab's proxy: configurable-http-proxy with its own command line, environment and signals, and
// what is done to every request on its way in and to every answer on its way out.
//
//   node proxy.mjs FOLDER SETTINGS [the arguments of configurable-http-proxy ...]
//
// FOLDER is the package's; SETTINGS is JSON: {"front": [addresses that are trusted],
// "listener": a unix socket for the machines, or null, "plain": null, or {"port": whose visitors are sent
// to HTTPS, "to_port": where}, "origins": see origins.mjs, "files": see lab_files.mjs}. `vmlab.hub.proxy.proxy_command` writes it.

import { rmSync } from "node:fs";
import https from "node:https";
import net from "node:net";
import { join } from "node:path";
import { TLSSocket } from "node:tls";
import { pathToFileURL } from "node:url";

import { makeRewriter } from "./believed.mjs";
import { keepCertificate, redirectPlain } from "./certificate.mjs";
import { makeFinder } from "./lab_files.mjs";
import { guard } from "./origins.mjs";
import { boundOutput } from "./output.mjs";

/** @import http from "node:http" */
/** @import { OnAnswer, Origins, ProxyClass, Request } from "./origins.mjs" */

/**
 * @typedef {object} Settings
 * @property {string[]} front
 * @property {string | null} listener
 * @property {{port: number, to_port: number} | null} plain
 * @property {Origins} origins
 * @property {string | null} files
 */

// A browser sends its headers at once; Node.js looks every 30 s who is late.
const HEADERS_LIMIT_MS = 15_000;
// For a whole request. A course of 64 MiB takes as long at 2 Mbit/s.
const REQUEST_LIMIT_MS = 300_000;
// For a visitor to take what a WebSocket's server said before it ended.
const LAST_WORDS_LIMIT_MS = 10_000;

const [folder = "", settingsText = "", ...words] = process.argv.slice(2);
/** @type {Settings} */
const settings = JSON.parse(settingsText);
const rewrite = makeRewriter(settings.front);

/**
 * Every request, WebSockets included, before it is looked at.
 * @param {Request} req
 */
function onRequest(req) {
  const headers = /** @type {Record<string, string | undefined>} */ (req.headers); // but for lists, not read there
  rewrite(headers, req.socket.remoteAddress, req.socket instanceof TLSSocket);
}

/**
 * What is asked for by a WebSocket's request may be answered with any headers, too.
 *
 * @param {http.ClientRequest} sent
 * @param {Request} req
 * @param {net.Socket} socket
 * @param {OnAnswer} onAnswer
 */
function onSocketRequest(sent, req, socket, onAnswer) {
  sent.on("upgrade", (_answer, server) => server.on("close", () => endSoon(socket)));
  for (const kind of ["upgrade", "response"]) {
    sent.prependListener(kind, (answer) => onAnswer(answer, req));
  }
}

/**
 * http-proxy-3 only ends its own half, and reads no more: a visitor who still sends would be kept for
 * as long as they like.
 * @param {net.Socket} socket
 */
function endSoon(socket) {
  socket.destroySoon(); // once what the server said last is delivered
  setTimeout(() => socket.destroy(), LAST_WORDS_LIMIT_MS).unref();
}

/**
 * @param {ProxyClass["prototype"]} proxy
 * @param {http.Server | https.Server} server
 * @param {OnAnswer} onAnswer
 */
function adopt(proxy, server, onAnswer) {
  server.headersTimeout = HEADERS_LIMIT_MS;
  server.requestTimeout = REQUEST_LIMIT_MS;
  server.prependListener("request", onRequest);
  server.prependListener("upgrade", onRequest);
  // Every answer of a machine or of the hub, before anything of it is sent on.
  proxy.proxy.on("proxyRes", onAnswer);
  proxy.proxy.on("proxyReqWs", (sent, req, socket) => onSocketRequest(sent, req, socket, onAnswer));
  if (settings.listener) openListener(server, settings.listener);
  if (server instanceof https.Server)
    keepCertificate(server, wordAfter("--ssl-cert"), wordAfter("--ssl-key"));
  if (settings.plain)
    redirectPlain(wordAfter("--ip"), settings.plain.port, settings.plain.to_port);
}

/** @param {string} option */
function wordAfter(option) {
  const at = words.indexOf(option);
  const word = at < 0 ? undefined : words[at + 1];
  if (word === undefined) throw new Error(`the proxy's arguments have no ${option}`);
  return word;
}

/**
 * The machines' way in: what comes here has no address, and so nothing that could be believed.
 *
 * @param {http.Server | https.Server} server
 * @param {string} path
 */
function openListener(server, path) {
  rmSync(path, { force: true }); // of a proxy that was killed
  const arrival = server instanceof https.Server ? "secureConnection" : "connection";
  net.createServer((socket) => server.emit(arrival, socket)).listen(path);
}

/**
 * Its tree of routes keeps them in plain objects, which have "constructor" and "__proto__" from their
 * birth: whoever asks for such a path is taken to a branch that does not exist.
 * @param {{URLTrie: {prototype: object}}} trie
 */
function holdOnlyRoutes({ URLTrie }) {
  Object.defineProperty(URLTrie.prototype, "branches", {
    set() {
      Object.defineProperty(this, "branches", { value: Object.create(null) });
    },
  });
}

boundOutput(process.stdout);
boundOutput(process.stderr);

// The command line makes its proxy by itself and keeps it to itself; so it is met where it gets
// its server.
const part = (/** @type {string[]} */ ...names) => pathToFileURL(join(folder, ...names)).href;
/** @type {{ConfigurableProxy: ProxyClass}} */
const { ConfigurableProxy } = await import(part("lib", "configproxy.js"));
holdOnlyRoutes(await import(part("lib", "trie.js")));
const onAnswer = guard(ConfigurableProxy, settings.origins, makeFinder(settings.files));
Object.defineProperty(ConfigurableProxy.prototype, "proxyServer", {
  set(/** @type {http.Server | https.Server} */ server) {
    Object.defineProperty(this, "proxyServer", { value: server, writable: true });
    adopt(this, server, onAnswer);
  },
});

// Its own forwarding headers would be added to what the request says.
const cli = join(folder, "bin", "configurable-http-proxy");
process.argv = [process.execPath, cli, ...words, "--no-x-forward"];
await import(pathToFileURL(cli).href);
