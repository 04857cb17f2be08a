/** What the map has under the key; where it has nothing, it gets what is made. */
export const getOrMake = <A>(map: Map<string, A>, key: string, make: () => A): A => {
  const known = map.get(key)
  if (known !== undefined) return known
  const made = make()
  map.set(key, made)
  return made
}
