// What the proxy does to requests and answers, one maker at a time; tests/front asks the proxy itself.

import assert from "node:assert/strict";
import { test } from "node:test";

import { cleanMachine, sealHub } from "#front/answers.mjs";
import { makeRewriter } from "#front/believed.mjs";
import { ownCookie, sortLogins, withoutHubCookies } from "#front/cookies.mjs";
import { readTar } from "#front/lab_files.mjs";
import { boundOutput } from "#front/output.mjs";
import { hostOf, isPath, judge, kindOf, losesFrame, withoutQuery } from "#front/requests.mjs";

/** @type {[string, string][]} */
const KINDS = [
  ["/hub/static/x.css", "open"],
  ["/hub/static/%2e%2e/home", "page"],
  ["/hub/staticx", "page"],
  ["/hub/vmlab/hello", "open"],
  ["/hub/vmlab/hello/socket?nonce=1", "open"],
  ["/hub/vmlab/hello/more", "page"],
  ["/hub/ssh", "open"],
  ["/hub/ssh/more", "page"],
  ["/hub/vmlab/ssh", "page"],
  ["/hub/vmlab/ssh/vmlab-ssh.py", "open"],
  ["/favicon.ico", "open"],
  ["/hub/api", "api"],
  ["/hub/api/user", "api"],
  ["/hub/apis", "page"],
  ["/hub/api/%2e%2e/home", "page"],
  ["/hub/api/oauth2/authorize?x", "page"],
  ["/user/ada/lab", "machine"],
  ["/hub/user/ada", "machine"],
  ["//user/ada", "page"],
  ["/hub/%", "page"],
  ["/", "page"],
  ["", "page"],
];

for (const [url, kind] of KINDS) test(`what "${url}" is of the hub's`, () => assert.equal(kindOf(url), kind));

test("a path that cannot be decoded is none", () => {
  assert.deepEqual(["/a%20b", "/%", "/%ff", "/%2", "http://["].map(isPath), [true, false, false, false, false]);
});

test("the query is cut off at the first mark", () => {
  assert.deepEqual(["/a", "/a?b", "/a?b?c", "/a?\nb", "?", ""].map(withoutQuery), ["/a", "/a", "/a", "/a", "", ""]);
});

/** @type {[Record<string, string>, string][]} */
const HOSTS = [
  [{ host: "lab.example:8000" }, "lab.example"],
  [{ host: "LAB.example" }, "lab.example"],
  [{ host: "a", "x-forwarded-host": "b, c" }, "b"],
  [{ host: "[::1]:80" }, "[::1]"],
  [{ host: "a/b" }, "a"],
  [{ host: "a b" }, ""],
  [{ host: "" }, ""],
  [{}, ""],
];

for (const [headers, host] of HOSTS) {
  test(`the name in ${JSON.stringify(headers)}`, () => assert.equal(hostOf(headers), host));
}

const HUB = new URL("https://lab.example");
const WINDOW = { "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" };

/** @type {[string, string, string, Record<string, string>, number | null][]} */
const JUDGED = [
  ["a window, a page", "GET", "/hub/home", WINDOW, null],
  ["a program", "GET", "/hub/home", {}, null],
  ["a script, a page", "GET", "/hub/home", { "sec-fetch-mode": "cors" }, 403],
  ["a frame, a page", "GET", "/hub/home", { "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe" }, 403],
  ["a script, the API", "GET", "/hub/api/user", { "sec-fetch-mode": "no-cors" }, null],
  ["a script, a machine that is off", "GET", "/user/ada/api", { "sec-fetch-mode": "cors" }, 424],
  ["another name, a window", "GET", "/hub/home", { ...WINDOW, host: "other" }, 302],
  ["another name, a form", "POST", "/hub/login", { ...WINDOW, host: "other" }, 421],
  ["another name, a script", "GET", "/hub/home", { "sec-fetch-mode": "cors", host: "other" }, 421],
  ["another name, the API", "GET", "/hub/api/user", { host: "other" }, null],
];

for (const [what, method, url, more, status] of JUDGED) {
  test(`who may ask for what: ${what}`, () => {
    const headers = { host: "lab.example", cookie: "a=b", ...more };
    assert.equal(judge({ method, url, headers }, HUB)?.status ?? null, status);
    assert.equal("cookie" in headers, headers.host === "lab.example", "cookies count at the hub's name only");
  });
}

test("a redirect leads to the same path of the hub's own name", () => {
  const verdict = judge({ method: "GET", url: "//evil.example/x?y", headers: { ...WINDOW, host: "other" } }, HUB);
  assert.equal(new URL(verdict?.location ?? "").origin, "https://lab.example");
});

test("a body whose frame would be lost", () => {
  const chunked = { "transfer-encoding": "chunked" };
  const lost = ["GET", "POST", "DELETE", "OPTIONS"].map((method) => losesFrame({ method, headers: chunked }));
  assert.deepEqual(lost, [false, false, true, true]);
  assert.equal(losesFrame({ method: "DELETE", headers: {} }), false);
});

/** @type {[string | undefined, string | undefined][]} */
const FOR_MACHINES = [
  [undefined, undefined],
  ["", undefined],
  ["jupyterhub-hub-login=x", undefined],
  ["a=b; jupyterhub-hub-login=x; jupyterhub-session-id=s", "a=b; jupyterhub-session-id=s"],
  ["__Host-jupyterhub-hub-login=x; a=b", "a=b"],
  ["JUPYTERHUB-SERVICES=x", undefined],
  ["jupyterhub-hub-login-x=y", "jupyterhub-hub-login-x=y"],
];

for (const [header, expected] of FOR_MACHINES) {
  test(`cookies for a machine: ${header}`, () => assert.equal(withoutHubCookies(header), expected));
}

/** A machine's Set-Cookie below "/user/ada", under a shared name. @type {[string, string | null][]} */
const OWN = [
  ["a=b; Path=/user/ada/", "a=b; Path=/user/ada/"],
  ["a=b", "a=b; Path=/user/ada/"],
  ["a=b; Path=relative", "a=b; Path=relative; Path=/user/ada/"],
  ["a=b; Path=/", null],
  ["a=b; Path=/user/adam", null],
  ["a=b; Path=/user/ada%2f..%2fbob", "a=b; Path=/user/ada%2f..%2fbob"],
  ["a=b; Path=/%", null],
  ["a=b; Domain=example; Path=/user/ada", null],
  ["=b; Path=/user/ada", null],
  ["b", null],
  ["jupyterhub-hub-login=x; Path=/user/ada", null],
  ["a\u0000=b; Path=/user/ada", null],
  ["a=b\nSet-Cookie: c=d; Path=/user/ada", null],
  ["a b=c; Path=/user/ada", null],
];

for (const [line, expected] of OWN) {
  test(`a cookie of a machine's: ${JSON.stringify(line)}`, () => assert.equal(ownCookie(line, "/user/ada", true), expected));
}

test("a second log-in cookie makes none count, and is deleted on all paths but the hub's", () => {
  const one = "a=b; jupyterhub-hub-login=x";
  assert.deepEqual(sortLogins(one, "/hub/home", "lab.example"), { header: one, expired: [] });
  const { header, expired } = sortLogins(`${one}; jupyterhub-hub-login=y`, "/hub/home?q", "127.0.0.1");
  assert.equal(header, "a=b");
  const paths = expired.map((line) => /Path=(.*)/.exec(line)?.[1]).sort();
  assert.deepEqual(paths, ["/", "/hub", "/hub/home"]);
  const named = sortLogins(`${one}; jupyterhub-hub-login=y`, "/hub/home", "lab.example").expired;
  assert.ok(named.includes("jupyterhub-hub-login=; Max-Age=0; Path=/hub/; Domain=lab.example"));
});

test("a machine sets nothing that reaches beyond its page", () => {
  const headers = { "clear-site-data": "*", "set-cookie": ["a=b; Path=/", "c=d"], "x-own": "1", "cross-origin-opener-policy": "x" };
  cleanMachine(headers, "/user/ada", true);
  assert.deepEqual(headers, { "set-cookie": ["c=d; Path=/user/ada/"], "x-own": "1" });
});

test("the hub's pages cannot be framed, and are not kept", () => {
  /** @type {Record<string, any>} */
  const headers = { "content-type": "text/html", "set-cookie": ["a=b"] };
  sealHub(headers, "/hub/home", "https://*.lab.example", ["gone"]);
  assert.match(headers["content-security-policy"], /frame-ancestors 'none'/);
  assert.match(headers["content-security-policy"], /form-action 'self' https:\/\/\*\.lab\.example;/);
  assert.deepEqual([headers["cache-control"], headers["set-cookie"]], ["no-store", ["a=b", "gone"]]);
  /** @type {Record<string, any>} */
  const style = { "content-type": "text/css" };
  sealHub(style, "/hub/static/x.css", "", []);
  assert.deepEqual([style["cache-control"], style["set-cookie"]], [undefined, undefined]);
});

/** Trusted servers, peer, what is said, the client that is believed. @type {[string[], string | undefined, string, string][]} */
const CLIENTS = [
  [[], "192.0.2.1", "203.0.113.9", "192.0.2.1"],
  [["192.0.2.0/24"], "192.0.2.1", "203.0.113.9", "203.0.113.9"],
  [["192.0.2.0/24"], "::ffff:192.0.2.1", "203.0.113.9", "203.0.113.9"],
  [["192.0.2.0/24"], "192.0.2.1", "1.2.3.4, 203.0.113.9, 192.0.2.7", "203.0.113.9"],
  [["192.0.2.0/24"], "192.0.2.1", "1.2.3.4, nonsense, 192.0.2.7", "192.0.2.7"],
  [["192.0.2.0/24"], "192.0.2.1", "", "192.0.2.1"],
  [["0.0.0.0/0"], undefined, "203.0.113.9", "0.0.0.0"],
  [["2001:db8::/32"], "2001:db8::1", "2001:db9::2", "2001:db9::2"],
];

for (const [front, peer, said, client] of CLIENTS) {
  test(`${peer} says "${said}", trusted: ${front}`, () => {
    /** @type {Record<string, string | undefined>} */
    const headers = { host: "lab:81", "x-forwarded-for": said, "x-scheme": "x", forwarded: "for=evil", "x-forwarded-odd": "y" };
    makeRewriter(front)(headers, peer, false);
    assert.deepEqual([headers["x-real-ip"], headers["x-forwarded-for"]], [client, client]);
    assert.deepEqual([headers["x-forwarded-port"], headers["x-forwarded-proto"]], ["81", "http"]);
    for (const gone of ["x-scheme", "forwarded", "x-forwarded-odd"]) assert.ok(!(gone in headers), gone);
  });
}

/**
 * @param {string} name
 * @param {string} content
 */
function tarEntry(name, content, prefix = "") {
  const head = Buffer.alloc(512);
  head.write(name, 0, "latin1");
  head.write(content.length.toString(8).padStart(11, "0"), 124, "latin1");
  head.write(prefix, 345, "latin1");
  const body = Buffer.alloc(Math.ceil(content.length / 512) * 512);
  body.write(content, "latin1");
  return Buffer.concat([head, body]);
}

test("files of a tar, by name; a tar that is cut off ends", () => {
  const tar = Buffer.concat([tarEntry("a.js", "x".repeat(513)), tarEntry("b.css", "", "deep/er"), tarEntry("__proto__", "p"), Buffer.alloc(1024)]);
  const files = readTar(tar);
  assert.deepEqual([...files].map(([name, body]) => [name, body.length]), [["a.js", 513], ["deep/er/b.css", 0], ["__proto__", 1]]);
  assert.equal(readTar(tar.subarray(0, 511)).size, 0);
  assert.equal(readTar(Buffer.alloc(0)).size, 0);
});

test("a flood of output is counted, and what is long is cut", () => {
  /** @type {string[]} */
  const written = [];
  let seconds = 0;
  const stream = /** @type {NodeJS.WriteStream} */ (/** @type {unknown} */ ({ write: (/** @type {string} */ piece) => written.push(piece) }));
  boundOutput(stream, () => seconds);
  stream.write("é".repeat(5000));
  assert.deepEqual([written[0]?.length, written[0]?.slice(-20)], [2048 + 20, "… (5000 characters)\n"]);
  for (let n = 0; n < 2000; n += 1) stream.write(`${n}\n`);
  assert.equal(written.length, 1000);
  seconds = 1;
  stream.write("again\n");
  assert.deepEqual(written.slice(-2), ["1001 log lines were left out: there were too many at once\n", "again\n"]);
});
