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
