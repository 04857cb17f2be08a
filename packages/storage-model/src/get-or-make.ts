/** Adds to the list under the key. The first item makes a list of one: V8 gives an empty list room for 17 at its first `push`. */
export const addTo = <A>(map: Map<string, Array<A>>, key: string, item: A): void => {
  const known = map.get(key)
  if (known === undefined) map.set(key, [item])
  else known.push(item)
}

/** The value under the key; if there is none, a new one is created and stored. */
export const getOrMake = <A>(map: Map<string, A>, key: string, make: () => A): A => {
  const known = map.get(key)
  if (known !== undefined) return known
  const made = make()
  map.set(key, made)
  return made
}
