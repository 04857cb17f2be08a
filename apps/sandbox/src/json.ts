/** Whatever JSON can hold. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json | undefined }

/** A JSON object whose shape nobody promised. A key that is undefined is not sent. */
export type JsonObject = { [key: string]: Json | undefined }

/** The value as an object, or undefined where it is none: rows of a caller may hold anything anywhere. */
export function asObject(value: unknown): JsonObject | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined
}
