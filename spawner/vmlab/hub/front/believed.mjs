// What a request says about where it comes from, and what of that is trusted.
//
// Whoever sends a request can write anything into its headers. So they are removed, and the ones
// below are rewritten from what the connection itself shows. Only a web server that the lab names
// (`front` in lab.toml) is trusted to say otherwise.

import { BlockList, isIP, isIPv6 } from "node:net";

/** @typedef {Record<string, string | undefined>} Headers those that are read here are never lists */

// A request through a unix socket has no address: it comes from a machine. Nothing that it says is
// trusted, and all machines count as one address. vmlab.network.hub_listener does the same.
export const MACHINES = "0.0.0.0";

const SAID = /^(forwarded|x-forwarded-.*|x-real-ip|x-scheme)$/;

/**
 * Return a function that rewrites a request's headers in place.
 *
 * @param {string[]} front addresses and networks ("10.0.0.0/8") of the trusted web servers
 * @returns {(headers: Headers, address: string | undefined, encrypted: boolean) => void}
 */
export function makeRewriter(front) {
  const isTrusted = makeNetworks(front);
  return (headers, address, encrypted) => {
    const peer = address === undefined ? MACHINES : shorten(address);
    const trusts = address !== undefined && isTrusted(peer);
    const said = trusts ? { ...headers } : {};
    for (const name of Object.keys(headers)) if (SAID.test(name)) delete headers[name];
    const client = trusts ? findClient(peer, said, isTrusted) : peer;
    const proto = firstOf(said["x-forwarded-proto"], /^https?$/) ?? (encrypted ? "https" : "http");
    headers["x-real-ip"] = client;
    headers["x-forwarded-for"] = client;
    headers["x-forwarded-proto"] = proto;
    headers["x-forwarded-host"] = said["x-forwarded-host"] ?? headers.host ?? "";
    headers["x-forwarded-port"] =
      firstOf(said["x-forwarded-port"], /^[0-9]{1,5}$/) ?? portOf(headers.host, proto);
  };
}

/**
 * The last hop that is not a trusted web server: each of those appended the address of its client.
 *
 * @param {string} peer
 * @param {Headers} said
 * @param {(address: string) => boolean} isTrusted
 */
function findClient(peer, said, isTrusted) {
  const hops = (said["x-forwarded-for"] ?? said["x-real-ip"] ?? "").split(",").reverse();
  let client = peer;
  for (const hop of hops.map((each) => shorten(each.trim()))) {
    if (!isTrusted(client) || !isIP(hop)) break;
    client = hop;
  }
  return client;
}

/**
 * A socket for both kinds of addresses, the proxy's or a web server's, writes IPv4 as a part of IPv6.
 * @param {string} address
 */
function shorten(address) {
  return address.replace(/^::ffff:(?=[0-9.]+$)/i, "");
}

/**
 * @param {string[]} front
 * @returns {(address: string) => boolean}
 */
function makeNetworks(front) {
  const list = new BlockList();
  for (const each of front) {
    const [address = "", bits] = each.split("/");
    const family = familyOf(address);
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return (address) => list.check(address, familyOf(address));
}

/** @param {string} address */
function familyOf(address) {
  return isIPv6(address) ? "ipv6" : "ipv4";
}

/**
 * Several web servers in a row make a list; the first one speaks of the browser.
 *
 * @param {string | undefined} value
 * @param {RegExp} pattern
 */
function firstOf(value, pattern) {
  const [first = ""] = (value ?? "").split(",", 1).map((each) => each.trim());
  return pattern.test(first) ? first : undefined;
}

/**
 * @param {string | undefined} host
 * @param {string} proto
 */
function portOf(host, proto) {
  return /:([0-9]{1,5})$/.exec(host ?? "")?.[1] ?? (proto === "https" ? "443" : "80");
}
