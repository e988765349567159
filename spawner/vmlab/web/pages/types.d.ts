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

export interface BoardRow extends Seat {
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
  stage: "" | "stopping" | "aside" | "starting" | "done" | "failed";
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
