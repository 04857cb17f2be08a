const decimal = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i

/**
 * A finite decimal, as a number or as a text (`"10000.0"`, white space around it aside).
 *
 * @returns `undefined` for anything else: `""`, `"inf"`, `"0x10"`, `true`, `null`, a list
 */
export const finiteDecimal = (value: unknown): number | undefined => {
  const number =
    typeof value === "number" ? value : typeof value === "string" && decimal.test(value.trim()) ? Number(value) : NaN
  // Adding zero turns -0 into 0.
  return Number.isFinite(number) ? number + 0 : undefined
}
