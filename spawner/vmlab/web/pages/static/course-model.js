// From the API's answer to what the home page shows of a course. Values in, values out.

/** @import { Exercise, Outline, OwnCourse } from "../types" */

/**
 * Count the steps of exercises.
 * @param {Pick<Exercise, "steps">[]} exercises
 */
export function count(exercises) {
  const steps = exercises.flatMap((exercise) => exercise.steps);
  return { passed: steps.filter((step) => step.passed).length, all: steps.length };
}

/**
 * The exercise of a course to continue with; null when that is in another one, or all is done.
 * @param {Pick<Outline, "current">} outline
 * @param {Pick<OwnCourse, "name" | "exercises">} course
 */
export function currentIn({ current }, course) {
  if (current?.course !== course.name) return null;
  return course.exercises.find(({ folder }) => folder === current.exercise) ?? null;
}

/**
 * The way to an exercise: by a start, which leads on at once when the machine runs. As a path of the
 * hub's own name: the hub takes the machine's, as in its own user-redirect, for a link that leads
 * elsewhere and drops it.
 *
 * @param {{spawnUrl: string, labUrl: string}} urls
 * @param {Pick<OwnCourse, "name">} course
 * @param {Pick<Exercise, "folder">} exercise
 */
export function exerciseUrl({ spawnUrl, labUrl }, course, exercise) {
  const where = new URLSearchParams({ exercise: `${course.name}/${exercise.folder}` });
  const next = new URLSearchParams({ next: `${labUrl}?${where}` });
  return `${spawnUrl}?${next}`;
}
