/** Seeded random numbers. */
import { createHash } from "node:crypto"

/** Pseudo-random numbers: the same seed yields the same sequence on every machine. */
export interface Random {
  /** At least 0, below 1. */
  next(): number
  /** An integer from 0 to `below` - 1. */
  below(below: number): number
  pick<T>(from: readonly T[]): T
  /** 32 hex digits in the form of a UUID version 4. */
  uuid(): string
}

/** The generator sfc32, seeded by a number. */
export function random(seed: number): Random {
  let [a, b, c, d] = [0x9e3779b9, 0x243f6a88, 0xb7e15162, seed | 0]
  const word = (): number => {
    const sum = (((a + b) | 0) + d) | 0
    d = (d + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (c << 21) | (c >>> 11)
    c = (c + sum) | 0
    return sum >>> 0
  }
  // The first numbers of adjacent seeds are similar.
  for (let i = 0; i < 16; i++) word()
  const below = (limit: number): number => Math.floor((word() / 2 ** 32) * limit)
  // Built from bytes: a concatenated string takes several times the memory.
  const bytes = Buffer.alloc(16)
  return {
    next: () => word() / 2 ** 32,
    below,
    pick: (from) => from[below(from.length)] as (typeof from)[number],
    uuid() {
      for (let offset = 0; offset < 16; offset += 4) bytes.writeUInt32BE(word(), offset)
      bytes[6] = (bytes.readUInt8(6) & 0x0f) | 0x40
      bytes[8] = (bytes.readUInt8(8) & 0x3f) | 0x80
      return bytes.toString("hex")
    },
  }
}

/** 32 hex digits derived from the name alone, for rows whose uuid does not depend on the seed. */
export function uuidOf(name: string): string {
  const bytes = createHash("sha1").update(`cscs-sandbox:${name}`).digest().subarray(0, 16)
  bytes[6] = (bytes.readUInt8(6) & 0x0f) | 0x50
  bytes[8] = (bytes.readUInt8(8) & 0x3f) | 0x80
  return bytes.toString("hex")
}
