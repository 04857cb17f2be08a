/** JSON as it comes over the wire, without trust in its shape. */
import { isDeepStrictEqual } from "node:util"

export type JsonObject = Readonly<Record<string, unknown>>

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** The value at a path of keys (`"target.targetItem"`); `undefined` where there is none. */
export const at = (value: unknown, path: string): unknown =>
  path
    .split(".")
    .reduce<unknown>((inner, key) => (isObject(inner) && Object.hasOwn(inner, key) ? inner[key] : undefined), value)

export const textAt = (value: unknown, path: string): string | undefined => {
  const found = at(value, path)
  return typeof found === "string" ? found : undefined
}

export const listAt = (value: unknown, path: string): ReadonlyArray<unknown> => {
  const found = at(value, path)
  return Array.isArray(found) ? found : []
}

/** Equal as JSON: the order of keys does not matter, nor does 10 against 10.0. */
export const same = (one: unknown, other: unknown): boolean => isDeepStrictEqual(one, other)

/** All paths at which two values differ, each as deep as both are objects. `undefined` stands for absent. */
export const differingPaths = (one: unknown, other: unknown, path = ""): ReadonlyArray<string> => {
  if (!isObject(one) || !isObject(other)) return same(one, other) ? [] : [path]
  return [...new Set([...Object.keys(one), ...Object.keys(other)])].flatMap((key) =>
    differingPaths(at(one, key), at(other, key), path === "" ? key : `${path}.${key}`),
  )
}

/** Whether keys that both objects have come in another order, at any depth. */
export const keyOrderDiffers = (one: unknown, other: unknown): boolean => {
  if (Array.isArray(one) && Array.isArray(other)) return one.some((item, index) => keyOrderDiffers(item, other[index]))
  if (!isObject(one) || !isObject(other)) return false
  const shared = Object.keys(one).filter((key) => Object.hasOwn(other, key))
  const theirs = Object.keys(other).filter((key) => Object.hasOwn(one, key))
  return !same(shared, theirs) || shared.some((key) => keyOrderDiffers(one[key], other[key]))
}

/** A value for people: JSON on one line, cut where it is long. */
export const shown = (value: unknown, longest = 120): string => {
  const text = value === undefined ? "absent" : JSON.stringify(value)
  return text.length <= longest ? text : `${text.slice(0, longest - 1)}…`
}
