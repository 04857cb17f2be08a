/** A field of an object that came from outside; `undefined` where there is no object or no such field. */
export const fieldOf = (row: unknown, name: string): unknown =>
  typeof row === "object" && row !== null ? (row as Readonly<Record<string, unknown>>)[name] : undefined

const hexUuid = /^[0-9a-f]{32}$/

/** What makes two rows one: the uuid in lower case, without dashes. `undefined` where there is no usable one. */
export const rowKey = (row: unknown): string | undefined => {
  const uuid = fieldOf(row, "uuid")
  if (typeof uuid !== "string") return undefined
  if (hexUuid.test(uuid)) return uuid
  const plain = uuid.replaceAll("-", "").toLowerCase()
  return hexUuid.test(plain) ? plain : undefined
}
