/** Counts of events by name. */
export type Counts = Map<string, number>

export const count = (counts: Counts, name: string, by = 1): void => {
  counts.set(name, (counts.get(name) ?? 0) + by)
}
