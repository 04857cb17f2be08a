/** Orders texts by code units, not by a locale's rules: the same on every machine. */
export const compare = <A extends string | number>(a: A, b: A) => (a < b ? -1 : a > b ? 1 : 0)
