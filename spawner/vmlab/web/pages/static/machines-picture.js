// Who is connected to whom: where the picture on the home page has its boxes and lines, and what it
// says to those who do not see it. Values in, values out; machine-list.js draws it.
//
// The network stands in the middle, a trainee's own machines left of it, what is shared right of it:
// it grows downwards, so that it fits on a telephone with any number of machines.

import { language } from "./words.js";
import { texts } from "./machines-text.js";
import { stateTexts, stateWords } from "./state.js";

/** @import { GroupMachine, MachineGroup, Picture, PictureBox } from "../types" */

const WIDTH = 360;
const BOX_WIDTH = 148;
const BOX_HEIGHT = 54;
const STEP = BOX_HEIGHT + 14;
const HEAD = 26; // what the columns are called
const FOOT = 22; // what the network is called
const BAR_WIDTH = 14;
const LONGEST = 13; // characters of a name, beside the sign

/**
 * What stands for the machines that are not told one by one.
 * @type {Pick<PictureBox, "label" | "address" | "state" | "isOn">}
 */
const OTHERS = { label: "", address: "", state: "", isOn: true };

/**
 * The picture of a group; null without a network: nothing is connected to anything then.
 * @param {MachineGroup} group
 * @returns {Picture | null}
 */
export function makePicture({ machines, network }) {
  if (!network) return null;
  const own = machines.filter(({ role }) => role !== "server").map(faceOf);
  const shared = machines.filter(({ role }) => role === "server").map(faceOf);
  if (network.meet === "all") shared.push(OTHERS);
  const tallest = Math.max(own.length, shared.length, 1) * STEP;
  const boxes = [
    ...own.map((face, at) => ({ ...face, ...placeOf(at, own.length, tallest), x: 0 })),
    ...shared.map((face, at) => ({ ...face, ...placeOf(at, shared.length, tallest), x: WIDTH - BOX_WIDTH })),
  ];
  const bar = { x: (WIDTH - BAR_WIDTH) / 2, y: HEAD, width: BAR_WIDTH, height: tallest };
  return {
    width: WIDTH,
    height: HEAD + tallest + FOOT,
    boxes,
    bar,
    network: network.addresses,
    lines: boxes.map((box) => ({
      x1: box.x ? bar.x + bar.width : box.x + box.width,
      x2: box.x ? box.x : bar.x,
      y: box.y + box.height / 2,
      isOn: box.isOn,
    })),
    hasShared: shared.length > 0,
  };
}

/** @param {GroupMachine} machine */
function faceOf({ label, address, state }) {
  return { label: shorten(label), address, state, isOn: state === "running" };
}

/**
 * @param {number} at
 * @param {number} count of boxes one below the other, in the middle of what is there
 * @param {number} tallest
 */
function placeOf(at, count, tallest) {
  const first = HEAD + (tallest - count * STEP) / 2 + (STEP - BOX_HEIGHT) / 2;
  return { y: first + at * STEP, width: BOX_WIDTH, height: BOX_HEIGHT };
}

/** @param {string} label */
function shorten(label) {
  const characters = [...label];
  return characters.length > LONGEST ? `${characters.slice(0, LONGEST - 1).join("")}…` : label;
}

/**
 * What the picture shows, in words.
 * @param {MachineGroup} group
 */
export function pictureWords({ machines, network }, inLanguage = language()) {
  if (!network) return "";
  const t = texts(inLanguage);
  const said = machines.map((machine) => {
    const state = stateWords(machine, stateTexts(inLanguage));
    return t.told(machine.label, machine.role === "server" ? `${state}, ${t.shared}` : state);
  });
  if (network.meet === "all") said.push(t.others);
  const list = new Intl.ListFormat(inLanguage).format(said);
  const connected = t.connects(network.addresses, list);
  return network.meet === "own" ? `${connected} ${t.apart}` : connected;
}
