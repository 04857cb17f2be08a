/** Helpers for JSON values of unknown content and size. */

/** Whether a value is a JSON object; an array is not. */
export const isJsonObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** An own property of a JSON object; `undefined` if the value is not an object or lacks the key. */
export const property = (value: unknown, key: string): unknown =>
  isJsonObject(value) && Object.hasOwn(value, key) ? value[key] : undefined

/** Replaces values that JSON cannot represent, such as a cycle. */
const notJson = "(not JSON)"

/** A prefix of a value's JSON text. */
interface JsonPrefix {
  readonly text: string
  /** Whether `text` is complete and valid JSON. */
  readonly isWhole: boolean
  /** The maximum nesting of objects and lists in `text`; 0 for a scalar. */
  readonly levels: number
}

/** An object or list whose text is not closed yet. */
interface Open {
  readonly value: object
  readonly keys: ReadonlyArray<string> | undefined
  readonly length: number
  next: number
  isEmpty: boolean
}

/**
 * The first `longest` characters of a value's JSON text. The work is bounded by `longest` and the number of keys of one
 * object, whatever the value's depth and size. Not recursive, since external input could exhaust the stack.
 */
export const jsonPrefix = (value: unknown, longest: number): JsonPrefix => {
  const open: Array<Open> = []
  // Detects cycles, which JSON does not have.
  const around = new Set<object>()
  let [text, levels, isJson] = ["", 0, true]
  const begin = (one: unknown) => {
    if (typeof one !== "object" || one === null) {
      const scalar = scalarText(one, longest)
      if (scalar === undefined) isJson = false
      text += scalar ?? JSON.stringify(notJson)
      return
    }
    if (around.has(one)) {
      isJson = false
      text += JSON.stringify(notJson)
      return
    }
    const keys = Array.isArray(one) ? undefined : Object.keys(one)
    const { length } = keys ?? (one as ReadonlyArray<unknown>)
    open.push({ value: one, keys, length, next: 0, isEmpty: true })
    around.add(one)
    levels = Math.max(levels, open.length)
    text += keys === undefined ? "[" : "{"
  }
  begin(value)
  while (open.length > 0 && text.length <= longest) {
    const container = open[open.length - 1] as Open
    if (container.next === container.length) {
      open.pop()
      around.delete(container.value)
      text += container.keys === undefined ? "]" : "}"
      continue
    }
    const key = container.keys?.[container.next]
    const item = Reflect.get(container.value, key ?? container.next)
    container.next += 1
    // JSON omits keys whose value is undefined.
    if (key !== undefined && item === undefined) continue
    if (!container.isEmpty) text += ","
    container.isEmpty = false
    if (key !== undefined) text += `${scalarText(key, longest)}:`
    begin(item)
  }
  return { text: text.slice(0, longest), isWhole: isJson && open.length === 0 && text.length <= longest, levels }
}

/** The JSON text of a scalar, or its beginning if it is longer than `longest`. */
const scalarText = (value: unknown, longest: number): string | undefined => {
  if (typeof value === "string") return JSON.stringify(value.length > longest ? value.slice(0, longest + 1) : value)
  if (typeof value === "number" && !Number.isFinite(value)) return undefined
  return value === null || typeof value === "number" || typeof value === "boolean" ? JSON.stringify(value) : undefined
}

/** `value` as JSON text, however deep it is; `(not JSON)` replaces what `JSON.stringify` refuses, such as a cycle. */
export const jsonText = (value: unknown): string => {
  try {
    return JSON.stringify(value) ?? "null"
  } catch {
    return jsonPrefix(value, Number.POSITIVE_INFINITY).text
  }
}

/** Whether a value has more than `levels` levels of objects and lists. Recursion stops at that depth. */
export const nestsDeeper = (value: unknown, levels: number): boolean =>
  typeof value === "object" &&
  value !== null &&
  (levels === 0 || Object.values(value).some((inner) => nestsDeeper(inner, levels - 1)))
