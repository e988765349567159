// A process's output, bounded: long pieces are cut, floods are counted.

const LONGEST = 2048; // characters of one piece; the proxy writes a line at a time
const PER_SECOND = 50;
const BURST = 1000; // both are less than the hub's (log_lines.py): the proxy says little

/**
 * Bound what is written to a stream from now on.
 *
 * @param {NodeJS.WriteStream} stream such as process.stdout
 * @param {() => number} clock seconds
 */
export function boundOutput(stream, clock = () => performance.now() / 1000) {
  const write = stream.write.bind(stream);
  let free = BURST;
  let filledAt = clock();
  let leftOut = 0;
  stream.write = (/** @type {string | Uint8Array} */ piece, /** @type {any[]} */ ...more) => {
    const now = clock();
    free = Math.min(BURST, free + (now - filledAt) * PER_SECOND);
    filledAt = now;
    if (free < 1) {
      leftOut += 1;
      const done = more.at(-1);
      if (typeof done === "function") process.nextTick(done);
      return true;
    }
    free -= 1;
    if (leftOut) write(`${leftOut} log lines were left out: there were too many at once\n`);
    leftOut = 0;
    return write(cut(piece), ...more);
  };
}

/** @param {string | Uint8Array} piece */
function cut(piece) {
  const text = String(piece);
  if (text.length <= LONGEST) return piece;
  return `${text.slice(0, LONGEST).trimEnd()}… (${text.length} characters)\n`;
}
