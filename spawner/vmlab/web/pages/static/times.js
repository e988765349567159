// Points in time, in the reader's own time zone and language.

function show() {
  const form = { dateStyle: "medium", timeStyle: "short" };
  for (const time of document.querySelectorAll("time")) {
    time.textContent = new Date(time.dateTime).toLocaleString(document.documentElement.lang, form);
  }
}

/** Show every <time> of the page so, now and in another language. */
export function showTimes() {
  show();
  document.addEventListener("vmlab-language", show);
}
