// What the pages' scripts are told: by the hub's API (docs/protocols.md, section 2), by JupyterHub, and
// by templates/page.html. For the type checker only; browsers never ask for this file.

export type Language = "en" | "fr";
export type Localized = Record<Language, string>;

/** One server of a person's, in every list of the API. */
export interface Seat {
  user: string;
  server: string;
  machine: string;
  state: string;
  place: number;
  since: number;
  problem: string;
  url: string;
}

export interface Step {
  exercise: string;
  exercise_title: Localized;
  step: string;
  title: Localized;
}

export interface Begun {
  course: string;
  total: number;
  passed: number;
  last_progress: number | null;
  last_tried: number;
}

/** A machine beside the desk, or one that all trainees use, as the board has it. */
export interface FurtherMachine {
  label: string;
  state: string;
  problem: string;
}

export interface SharedMachine extends FurtherMachine {
  is_limited: boolean;
}

export interface BoardRow extends Seat {
  machines: FurtherMachine[];
  limited: { label: string; name: string }[];
  notes: Localized[];
  may_renew: boolean;
  course_version: number | null;
  steps: Record<string, { passed: boolean; attempts: number; at: number }>;
  passed: number;
  last_progress: number | null;
  begun: Begun[];
}

export interface CourseTitle {
  name: string;
  title: Localized;
}

export interface Board {
  now: number;
  courses: CourseTitle[];
  course: (CourseTitle & { version: number; published: number; steps: Step[] }) | null;
  shared: SharedMachine[];
  notes: Localized[];
  rows: BoardRow[];
}

export type Kind = "stuck" | "working" | "changing" | "finished" | "off";
export type Sort = "stuck" | "name" | "progress";

/** A row with what the board says about it (board-model.js). */
export interface DescribedRow extends BoardRow {
  kind: Kind;
  idle: number;
  total: number;
  progress: number;
  elsewhere: Begun | null;
  index: number;
}

export interface BoardView {
  sort: Sort;
  threshold: number;
  areNamesHidden: boolean;
  course: string;
}

export interface Person extends Seat {
  role: string;
  active: number | null;
  may_start: boolean;
  may_stop: boolean;
}

export interface People {
  now: number;
  people: Person[];
}

export interface Exercise {
  folder: string;
  title: Localized;
  steps: { name: string; title: Localized; passed: boolean }[];
}

export interface OwnCourse extends CourseTitle {
  version: number;
  exercises: Exercise[];
}

export interface Outline {
  courses: OwnCourse[];
  current: { course: string; exercise: string } | null;
}

/** One machine of a trainee's group, or the event's server. */
export interface GroupMachine {
  label: string;
  role: "desk" | "node" | "server";
  machine: string;
  state: string;
  place: number;
  address: string;
  names: string[];
  own_names: string[];
  may_console: boolean;
  may_restart: boolean;
  may_renew: boolean;
  message: Localized | null;
}

export interface MachineGroup {
  machines: GroupMachine[];
  network: { addresses: string; meet: "all" | "own" } | null;
}

/** A machine in the picture of a group (machines-picture.js); without a label: those of all others. */
export interface PictureBox {
  x: number;
  y: number;
  width: number;
  height: number;
  label: string;
  address: string;
  state: string;
  isOn: boolean;
}

export interface Picture {
  width: number;
  height: number;
  boxes: PictureBox[];
  bar: { x: number; y: number; width: number; height: number };
  network: string; // its addresses
  lines: { x1: number; x2: number; y: number; isOn: boolean }[];
  hasShared: boolean;
}

/** A public key that the reader has registered; times are seconds since the epoch. */
export interface SshKey {
  id: string;
  fingerprint: string;
  type: string;
  comment: string;
  added: number;
  used: number | null;
}

/** The hub's model of a user, as far as it is looked at here. */
export interface HubUser {
  servers?: Record<string, { pending: string | null; ready: boolean }>;
}

/** An event of a start. It may come from a machine's side: nothing of it is certain. */
export interface StartEvent {
  progress?: unknown;
  progress_end?: unknown;
  phase?: string;
  phase_s?: unknown;
  position?: unknown;
  eta_s?: unknown;
  age_s?: unknown;
  elapsed_s?: unknown;
  ready?: boolean;
  failed?: boolean;
  notice?: boolean;
  message?: string;
  html_message?: string;
}

export interface Renewal {
  stage: "" | "stopping" | "aside" | "alone" | "starting" | "ready" | "done" | "failed";
  message?: Localized | null;
}

declare global {
  interface Window {
    vmlab: {
      language(): string;
      setLanguage(language: string): void;
    };
    /** JupyterHub's own, in every page. */
    jhdata: { base_url: string; xsrf_token: string };
  }
}
