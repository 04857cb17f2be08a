/** Rows of Waldur's lists: untrusted values, identified and compared. */
import { isDeepStrictEqual } from "node:util"

/** A field of an external value; `undefined` if the value is not an object or lacks the field. */
export const fieldOf = (row: unknown, name: string): unknown =>
  typeof row === "object" && row !== null ? (row as Readonly<Record<string, unknown>>)[name] : undefined

const hexUuid = /^[0-9a-f]{32}$/

/** The identity of a row: its uuid in lower case, without dashes; `undefined` if there is no usable one. */
export const rowKey = (row: unknown): string | undefined => {
  const uuid = fieldOf(row, "uuid")
  if (typeof uuid !== "string") return undefined
  if (hexUuid.test(uuid)) return uuid
  const plain = uuid.replaceAll("-", "").toLowerCase()
  return hexUuid.test(plain) ? plain : undefined
}

/** The field of a resource's order in progress; Waldur returns null if there is none. */
export const orderField = "order_in_progress"

/** Whether a row comes from the list of resources with an order in progress; only those have the field. */
export const cameWithOrder = (row: unknown): boolean => fieldOf(row, orderField) !== undefined

/** Whether two JSON values are equal. Values nested too deeply to compare count as different; processing them again costs little. */
export const isSame = (some: unknown, other: unknown): boolean => {
  try {
    return isDeepStrictEqual(some, other)
  } catch {
    return false
  }
}

/** As `isSame`, but the order of keys counts: parts of a row are served as they are. */
export const isIdentical = (some: unknown, other: unknown): boolean => {
  try {
    return areIdentical(some, other)
  } catch {
    return false
  }
}

// Not by their JSON text: a number too large for a double is Infinity once it is parsed, which becomes null there.
const areIdentical = (some: unknown, other: unknown): boolean => {
  if (some === other) return true
  if (typeof some !== "object" || typeof other !== "object" || some === null || other === null) return false
  if (Array.isArray(some) || Array.isArray(other)) {
    const areLists = Array.isArray(some) && Array.isArray(other) && some.length === other.length
    return areLists && some.every((one, at) => areIdentical(one, other[at]))
  }
  const keys = Object.keys(some)
  const others = Object.keys(other)
  return (
    keys.length === others.length &&
    keys.every((key, at) => key === others[at] && areIdentical(fieldOf(some, key), fieldOf(other, key)))
  )
}
