// A locked login page says when to try again: in the reader's time of day, and in how many seconds.

import { whenWords } from "./locked-text.js";

const box = document.getElementById("vm-locked"); // only while it is locked
const when = box?.querySelector(".vm-locked-when");

if (box && when) {
  const waitMs = Number(box.dataset.waitS) * 1000;
  const until = new Date(Date.now() + waitMs); // by the reader's clock, whatever the hub's says
  const render = () => {
    when.textContent = whenWords(until, new Date());
  };
  render();
  document.addEventListener("vmlab-language", render);
  setTimeout(render, waitMs + 100);
}
