/** A JSON object of unknown content; a list is none. */
export const isJsonObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** An own property of what may be a JSON object; `undefined` where it is none or has no such key. */
export const property = (value: unknown, key: string): unknown =>
  isJsonObject(value) && Object.hasOwn(value, key) ? value[key] : undefined

/** What `jsonText` gives for what is no JSON value, such as a cycle. */
export const notJson = "(not JSON)"

/** `value` as JSON text, or `notJson`. */
export const jsonText = (value: unknown): string => {
  try {
    return JSON.stringify(value) ?? "null"
  } catch {
    return notJson
  }
}
