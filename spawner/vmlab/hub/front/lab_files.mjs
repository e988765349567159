// JupyterLab's own files, sent from here in the place of machines: the same for all of them, known by
// the hash in their name, and slow to come out of an emulated machine. `vmlab.images.lab_files` packs them.

import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

import { withoutQuery } from "./requests.mjs";

const BLOCK = 512;
/** @type {Record<string, string>} */
const TYPES = {
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  svg: "image/svg+xml",
  png: "image/png",
  woff: "font/woff",
  woff2: "font/woff2",
  ttf: "font/ttf",
  eot: "application/vnd.ms-fontobject",
};
const SQUEEZED = new Set(["js", "css", "svg"]); // fonts and pictures are

/**
 * Read a tar of plain files.
 * @param {Buffer} tar
 * @returns {Map<string, Buffer>} by name
 */
export function readTar(tar) {
  const files = new Map();
  for (let at = 0; at + BLOCK <= tar.length && tar[at] !== 0; ) {
    const name = text(tar, at, 100);
    const prefix = text(tar, at + 345, 155);
    const size = parseInt(text(tar, at + 124, 12), 8);
    const begin = at + BLOCK;
    files.set(prefix ? `${prefix}/${name}` : name, tar.subarray(begin, begin + size));
    at = begin + Math.ceil(size / BLOCK) * BLOCK;
  }
  return files;
}

/**
 * @param {Buffer} tar
 * @param {number} begin
 * @param {number} length
 */
function text(tar, begin, length) {
  return tar.toString("latin1", begin, begin + length).replace(/\0.*/s, "").trim();
}

/**
 * @typedef {import("./requests.mjs").Asked} Asked
 * @typedef {{headers: Record<string, string>, body: Buffer}} Found
 */

/**
 * Return what finds the answer to a request of a machine's.
 *
 * @param {string | null} archive where they are; null: nowhere
 * @returns {(req: Asked, prefix: string) => Found | null}
 */
export function makeFinder(archive) {
  const files = archive ? readTar(readFileSync(archive)) : new Map();
  /** @type {Map<string, Buffer>} */
  const squeezed = new Map();

  /**
   * @param {string} name
   * @param {Buffer} body
   */
  function squeeze(name, body) {
    const made = squeezed.get(name) ?? gzipSync(body);
    squeezed.set(name, made);
    return made;
  }

  return ({ method, url, headers: asked }, prefix) => {
    if (method !== "GET" && method !== "HEAD") return null;
    const path = withoutQuery(url);
    const name = path.startsWith(`${prefix}/`) ? path.slice(prefix.length + 1) : "";
    const body = files.get(name);
    if (!body) return null;
    const ending = name.slice(name.lastIndexOf(".") + 1);
    const headers = {
      "Content-Type": TYPES[ending] ?? "application/octet-stream",
      "Cache-Control": "public, max-age=31536000, immutable",
      "Cross-Origin-Resource-Policy": "same-origin",
      "X-Content-Type-Options": "nosniff",
      Vary: "Accept-Encoding",
    };
    if (!SQUEEZED.has(ending) || !/\bgzip\b/.test(asked["accept-encoding"] ?? "")) return { headers, body };
    return { headers: { ...headers, "Content-Encoding": "gzip" }, body: squeeze(name, body) };
  };
}
