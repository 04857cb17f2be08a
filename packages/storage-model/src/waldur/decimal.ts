// Linear time: each digit can be matched in one way only.
const decimal = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?$/i
/** In characters: 2^53 - 1 has 16 digits, and a quota needs only a few decimal places. */
const longest = 64

/**
 * Parses a finite decimal of at most 2^53 - 1 in magnitude, given as a number or as a text of at most 64 characters
 * (`"10000.0"`; surrounding white space is ignored). Beyond that doubles are not exact, and no real quota is that large.
 *
 * @returns `undefined` for anything else: `""`, `"inf"`, `"0x10"`, `true`, `null`, a list
 */
export const finiteDecimal = (value: unknown): number | undefined => {
  const number =
    typeof value === "number"
      ? value
      : typeof value === "string" && value.length <= longest && decimal.test(value.trim())
        ? Number(value)
        : Number.NaN
  // Adding zero turns -0 into 0.
  return Math.abs(number) <= Number.MAX_SAFE_INTEGER ? number + 0 : undefined
}
