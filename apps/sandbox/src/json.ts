/** Any JSON value. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json | undefined }

/** A JSON object of unknown shape. An undefined key is not sent. */
export type JsonObject = { [key: string]: Json | undefined }

/** The value as an object, or undefined if it is not one: a caller's rows may contain anything. */
export function asObject(value: unknown): JsonObject | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined
}
