/** The number of each event, by name. */
export type Counts = Map<string, number>

export const count = (counts: Counts, name: string, more = 1): void => {
  counts.set(name, (counts.get(name) ?? 0) + more)
}
