// Which headings of a text in several languages are shown. Values in, values out.

/** @import { Heading } from "../../jupyterlab" */

/**
 * The language of each line of a text; empty outside of all of them.
 * @param {string} source
 */
export function languagesOf(source) {
  let [language, depth, fence] = ["", 0, ""];
  return source.split("\n").map((line) => {
    const mark = /^\s*(```|~~~)/.exec(line)?.[1];
    if (mark && (!fence || fence === mark)) fence = fence ? "" : mark;
    if (fence || mark) return language;
    if (!depth) language = /^\s*<div\s[^>]*\blang=["']?([a-z]+)/i.exec(line)?.[1] ?? "";
    const here = language;
    if (language) depth += (line.match(/<div\b/gi)?.length ?? 0) - (line.match(/<\/div>/gi)?.length ?? 0);
    if (depth <= 0) [language, depth] = ["", 0];
    return here;
  });
}

/**
 * The headings of a text that are shown.
 * @param {Heading[]} headings
 * @param {string} source
 * @param {string} language
 */
export function pickHeadings(headings, source, language) {
  const lines = languagesOf(source);
  if (!lines.includes(language)) return headings;
  return headings.filter(({ line }) => {
    const spoken = line === undefined ? "" : lines[line];
    return !spoken || spoken === language;
  });
}
