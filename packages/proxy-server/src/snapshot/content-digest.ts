/** Digests that identify content. */
import { createHash } from "node:crypto"

/** 132 bits: enough to rule out accidental collisions. */
const length = 22

/** A short digest of content: the same for the same content, in every process. Safe in a URL and in an ETag. */
export const contentDigest = (content: string | Uint8Array): string =>
  createHash("sha256").update(content).digest("base64url").slice(0, length)
