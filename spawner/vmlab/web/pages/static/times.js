// Points in time, in the reader's own time zone and language.

function show() {
  for (const time of document.querySelectorAll("time")) {
    const point = new Date(time.dateTime);
    const { lang } = document.documentElement;
    time.textContent = point.toLocaleString(lang, { dateStyle: "medium", timeStyle: "short" });
  }
}

/** Show every <time> of the page so, now and in another language. */
export function showTimes() {
  show();
  document.addEventListener("vmlab-language", show);
}
