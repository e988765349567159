// The hub's own TLS: certificate renewal while the proxy runs, and the redirect from plain HTTP.

import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync, watchFile } from "node:fs";
import http from "node:http";

// certbot and its like replace symbolic links, so the names are watched, not the files.
const LOOK_EVERY_MS = 2_000;
// Requests that are only redirected have no bodies.
const LIMITS = { headersTimeout: 15_000, requestTimeout: 15_000 };
const HOST = /^([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]+)?$/i;

/**
 * Serve what the two files hold, now and whenever they change. Protocols and ciphers are Node's own.
 * Open connections stay; a pair that does not match or cannot be read is ignored.
 *
 * @param {import("node:tls").Server} server
 * @param {string} certFile PEM, with all intermediate certificates
 * @param {string} keyFile PEM
 */
export function keepCertificate(server, certFile, keyFile) {
  const take = () => {
    try {
      const cert = readFileSync(certFile);
      const key = readFileSync(keyFile);
      const leaf = new X509Certificate(cert);
      if (!leaf.checkPrivateKey(createPrivateKey(key)))
        throw new Error("it does not match the key (perhaps the other file is still to be renewed)");
      server.setSecureContext({ cert, key });
      console.log(`certificate ${certFile}: served, valid until ${leaf.validTo}`);
    } catch (error) {
      console.error(`certificate ${certFile}: not used: ${error instanceof Error ? error.message : error}`);
    }
  };
  take();
  for (const file of [certFile, keyFile])
    watchFile(file, { interval: LOOK_EVERY_MS, persistent: false }, take);
}

/**
 * Redirect plain HTTP to the same name with HTTPS.
 *
 * @param {string} address where to listen
 * @param {number} port where to listen
 * @param {number} toPort the port of HTTPS, as browsers see it
 */
export function redirectPlain(address, port, toPort) {
  const suffix = toPort === 443 ? "" : `:${toPort}`;
  http
    .createServer(LIMITS, (req, res) => {
      const host = HOST.exec(req.headers.host ?? "")?.[1];
      const url = req.url ?? "";
      if (host && url.startsWith("/"))
        res.writeHead(301, { Location: `https://${host}${suffix}${url}`, Connection: "close" });
      else res.writeHead(400, { Connection: "close" });
      res.end();
    })
    .listen(port, address);
}
