import { distance } from "fastest-levenshtein"

/**
 * The names that a text may mean, the most similar ones first.
 *
 * @param most the number of typing errors that is tolerated
 */
export const nearestNames = (text: string, names: ReadonlyArray<string>, most: number): ReadonlyArray<string> =>
  names
    // The distance is at least the difference in length, and comparing a huge text would take long.
    .filter((name) => Math.abs(name.length - text.length) <= most)
    .map((name) => ({ name, errors: distance(text, name) }))
    .filter(({ errors }) => errors <= most)
    .sort((a, b) => a.errors - b.errors)
    .map(({ name }) => name)
