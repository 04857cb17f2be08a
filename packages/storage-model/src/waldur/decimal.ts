// What is left to backtrack over is a single way to read each digit, so that the time is linear.
const decimal = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?$/i
/** In characters: 2^53 - 1 has 16 digits, and no quota needs more than a few after its point. */
const longest = 64

/**
 * A finite decimal of at most 2^53 - 1 in size, as a number or as a text of at most 64 characters (`"10000.0"`, white
 * space around it aside). Beyond that doubles are no longer exact, and no quota is meant.
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
