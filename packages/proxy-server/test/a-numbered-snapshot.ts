import { createCipheriv, createHash } from "node:crypto"
import type { TimedSnapshot } from "../src/snapshot/snapshot.ts"
import { aSnapshot, type Made } from "./a-snapshot.ts"

const entries = 600
/** Bytes of noise in the name of each entry: data that does not compress takes its time to write. */
const noise = 1800

/** GIDs in the served range. */
const firstGid = 100_000

const digestOf = (texts: ReadonlyArray<string>) => createHash("sha256").update(texts.join("\n")).digest("hex")

/**
 * A snapshot of about two megabytes that has its number in every part, and as its last entry a checksum of the others.
 */
export const numberedSnapshot = (number: number): TimedSnapshot => {
  const key = createHash("sha256").update(String(number)).digest()
  const stream = createCipheriv("aes-256-ctr", key, Buffer.alloc(16))
  const zeros = Buffer.alloc(noise)
  const texts = Array.from({ length: entries }, () => stream.update(zeros).toString("base64"))
  const fieldsOf = (itemId: string, name: string): Made => ({
    itemId,
    name,
    mountPoint: "/capstor/store/x",
    targetType: "project",
    offeringSlug: "capstor",
    dataType: "store",
    status: "active",
    states: ["OK"],
  })
  const chunks = texts.map((text, at) => [fieldsOf(`${number} ${at}`, text)])
  return {
    snapshot: aSnapshot([...chunks, [fieldsOf("checksum", digestOf([String(number), ...texts]))]], {
      counts: new Map([["capstor", number]]),
      gids: new Map([["project", firstGid + number]]),
    }),
    readStartedAt: number,
    readEndedAt: number,
    changedAt: number,
  }
}

/** The number of an intact snapshot; otherwise a description of what is wrong with it. */
export const numberOf = ({ snapshot, readStartedAt, readEndedAt, changedAt }: TimedSnapshot): number | string => {
  const texts: Array<string> = []
  for (let position = 0; position < snapshot.entries.size - 1; position += 1) {
    const { key, name } = JSON.parse(Buffer.from(snapshot.entries.jsonAt(position)).toString()).target.targetItem
    if (key !== `${readStartedAt} ${position}`) return `entry ${position} of ${readStartedAt} is ${key}`
    texts.push(name)
  }
  if (texts.length !== entries) return `${readStartedAt} has ${texts.length} entries`
  const last = JSON.parse(Buffer.from(snapshot.entries.jsonAt(entries)).toString())
  if (last.target.targetItem.name !== digestOf([String(readStartedAt), ...texts]))
    return `the checksum of ${readStartedAt} is wrong`
  const gid = (snapshot.gids.get("project") ?? 0) - firstGid
  const numbers = [readStartedAt, readEndedAt, changedAt, snapshot.counts.get("capstor"), gid]
  return numbers.every((one) => one === readStartedAt) ? readStartedAt : `numbers differ: ${numbers}`
}
