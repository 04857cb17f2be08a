/** UUIDs of entries, and stable hashes of names. */
import { hash } from "node:crypto"

const shape = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i

/** Whether `value` is a UUID in one of the forms that `dashedUuid` accepts. */
export const isUuid = (value: unknown): value is string =>
  typeof value === "string" && (value.length === 32 || value.length === 36) && shape.test(value)

/**
 * A UUID as entries contain it: lowercase and dashed.
 *
 * @param value 32 hex digits, as Waldur writes UUIDs in JSON, or the dashed form, in upper or lower case
 * @returns `undefined` for anything else
 */
export const dashedUuid = (value: unknown): string | undefined => {
  if (!isUuid(value)) return undefined
  const digits = value.toLowerCase().replaceAll("-", "")
  return [digits.slice(0, 8), digits.slice(8, 12), digits.slice(12, 16), digits.slice(16, 20), digits.slice(20)].join(
    "-",
  )
}

// RFC 9562 section 6.6: the namespace for ISO object identifiers.
const oidNamespace = Buffer.from("6ba7b8129dad11d180b400c04fd430c8", "hex")

/**
 * The UUID version 5 (RFC 9562 section 5.5) of `scope:name` in the OID namespace: identical on all replicas, permanently.
 *
 * @example
 * ```ts
 * deterministicId("storage_system", "capstor") // "4b4a996a-8d6b-556d-ad60-202cefa6ecc3"
 * ```
 */
export const deterministicId = (scope: string, name: string): string => {
  const digest = hash("sha1", Buffer.concat([oidNamespace, Buffer.from(`${scope}:${name}`)]), "hex")
  const variant = ((Number.parseInt(digest.slice(16, 18), 16) & 0x3f) | 0x80).toString(16)
  return [
    digest.slice(0, 8),
    digest.slice(8, 12),
    `5${digest.slice(13, 16)}`,
    `${variant}${digest.slice(18, 20)}`,
    digest.slice(20, 32),
  ].join("-")
}

/** A stable hash of a text from 0 to 2^32 - 1: the first four bytes of its SHA-256, big-endian. */
export const stableHash = (text: string): number => Number.parseInt(hash("sha256", text, "hex").slice(0, 8), 16)
