// What is known of the courses: asked of the machine's server, which asks the hub.

const PERIOD_MS = 60_000;
const COMING_MS = 3_000; // while the exercises are on their way
const REPORT_MS = 2_000; // a check's result goes to the hub in the background

/** @import { Language } from "../../jupyterlab" */

/**
 * What the server answers (docs/protocols.md, sections 2 and 8).
 *
 * @typedef {Record<Language, string>} Localized
 * @typedef {{name: string, title: Localized, passed: boolean}} Step
 * @typedef {{folder: string, title: Localized, steps: Step[], notebook: string}} Exercise
 * @typedef {{name: string, title: Localized, delivered: boolean, exercises: Exercise[]}} Course
 * @typedef {{courses: Course[], current: {course: string, exercise: string} | null}} Outline
 */

export class Courses {
  /** @param {(path: string) => Promise<Outline>} ask asks the server, and returns its answer decoded */
  constructor(ask) {
    this.ask = ask;
    /** @type {Outline | null} */
    this.outline = null;
    this.isLost = false;
    /** @type {Set<() => void>} */
    this.listeners = new Set();
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    /** @type {Promise<void> | null} */
    this.looking = null;
  }

  /** Look now, or share the look that is under way; never fails. */
  look() {
    this.looking ??= this.take().finally(() => {
      this.looking = null;
      this.lookAgain(this.isComing ? COMING_MS : PERIOD_MS);
    });
    return this.looking;
  }

  async take() {
    const before = JSON.stringify([this.outline, this.isLost]);
    try {
      this.outline = await this.ask("courses");
      this.isLost = false;
    } catch (error) {
      // The hub may be away for a moment; what was known stays.
      console.debug("vmlab-course:", error);
      this.isLost = true;
    }
    if (JSON.stringify([this.outline, this.isLost]) !== before) this.listeners.forEach((tell) => tell());
  }

  /** @param {number} wait milliseconds */
  lookAgain(wait) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => (document.hidden ? this.lookAgain(wait) : this.look()), wait);
  }

  /** A cell was run: if it was a check, the hub will know in a moment. */
  expectReport() {
    this.lookAgain(REPORT_MS);
  }

  get all() {
    return this.outline?.courses ?? [];
  }

  /** Whether something was published that has not arrived. */
  get isComing() {
    return this.all.some((course) => !course.delivered);
  }

  /** The exercise to go on with, if there is one. */
  get current() {
    const at = this.outline?.current;
    return at ? this.find(at.course, at.exercise) : null;
  }

  /**
   * @param {string} name of a course
   * @param {string} folder of one of its exercises
   */
  find(name, folder) {
    const course = this.all.find((each) => each.name === name);
    const exercise = course?.exercises.find((each) => each.folder === folder);
    return course && exercise ? { course, exercise } : null;
  }

  /**
   * The title of the exercise whose notebook is at a path; null when it is not an exercise's.
   * @param {string} path
   * @param {Language} language
   */
  titleAt(path, language) {
    const parts = /^([^/]+)\/(.+)\/exercise(?:\.(v\d+(?:-\d+)?))?\.ipynb$/.exec(path);
    const [, name = "", folder = "", copy] = parts ?? [];
    const found = this.find(name, folder);
    if (!found) return null;
    const title = found.exercise.title[language];
    return copy ? `${title} (${copy})` : title;
  }
}

/**
 * Count the steps of exercises.
 * @param {Pick<Exercise, "steps">[]} exercises
 */
export function count(exercises) {
  const steps = exercises.flatMap((exercise) => exercise.steps);
  return { passed: steps.filter((step) => step.passed).length, all: steps.length };
}
