/** Which records of Waldur cost a peer its whole list. */
import type { World } from "@cscs/sandbox"
import { at, shown } from "./json-values.ts"
import { type Answer, wholeList } from "./listings.ts"

type Row = World["resources"][number]

export interface DeadlyRecord {
  readonly label: string
  readonly about: string
  readonly row: Row
  /** Of the answer when the record is served alone, or with those before it. */
  readonly status: number
  readonly said: string
  readonly alone: boolean
}

/**
 * Asks the peer at `url` about each odd record of the world alone; should the rest still have no answer, then also for
 * the records that it refuses in company. The world's resources are as before when this returns.
 */
export const findDeadlyRecords = async (
  url: string,
  world: World,
  deadline: AbortSignal,
): Promise<ReadonlyArray<DeadlyRecord>> => {
  const all = world.resources
  const found: Array<DeadlyRecord> = []
  const refusalOf = async (rows: Array<Row>): Promise<Answer | undefined> => {
    world.resources = rows
    const listing = await wholeList(url, deadline)
    return listing.answered ? undefined : listing.refusal
  }
  const add = (row: Row, { status, text, body }: Answer, alone: boolean) => {
    const { label, about } = [...world.cases.values()].find((one) => one.row === row) ?? {
      label: String(row.uuid),
      about: "an ordinary record",
    }
    found.push({ label, about, row, status, said: said(body, text), alone })
  }
  try {
    for (const { row } of world.cases.values()) {
      const refusal = await refusalOf([row])
      if (refusal !== undefined) add(row, refusal, true)
    }
    for (;;) {
      const rest = all.filter((row) => !found.some((one) => one.row === row))
      let refusal = await refusalOf(rest)
      if (refusal === undefined) return found
      // The shortest beginning of the list that is refused ends with the record to blame.
      let [good, bad] = [0, rest.length]
      while (bad - good > 1) {
        const middle = Math.floor((good + bad) / 2)
        const answer = await refusalOf(rest.slice(0, middle))
        if (answer === undefined) good = middle
        else [bad, refusal] = [middle, answer]
      }
      const last = rest[bad - 1]
      if (last === undefined) throw new Error(`${url} refuses an empty list: ${refusal.status}`)
      add(last, refusal, false)
    }
  } finally {
    world.resources = all
  }
}

/** What a refusal says, on one line, without what differs from run to run. */
export const said = (body: unknown, text: string): string => {
  const message =
    at(body, "error") === "InternalServerError" ? at(body, "detail") : (at(body, "detail") ?? at(body, "error"))
  return shown(typeof message === "string" ? message : text, 150)
    .replaceAll(/0x[0-9a-f]+/g, "0x…")
    .replaceAll(/\\n\s*/g, " ")
    .replaceAll('\\"', '"')
    .slice(1)
    .replace(/"$/, "")
}
