import { describe, expect, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import fc from "fast-check"
import {
  captureLogs,
  clientOf,
  json,
  type LogLine,
  type Reply,
  type Row,
  type Seen,
  startFakeWaldur,
  tied,
} from "./fake-waldur.ts"

const fields = ["slug", "state", "created", "attributes", "order_in_progress"]
const query = { offeringSlugs: ["capstor"], fields }
const bySlug = (rows: ReadonlyArray<unknown>) =>
  [...rows].sort((a, b) => String((a as Row).slug).localeCompare(String((b as Row).slug)))

/** A Waldur that refuses these parameters, or these values of them (`order_state=pending-project`), by name. */
const refusing = (refused: ReadonlyArray<string>, words: "keys" | "sentence" = "keys") => ({
  instead: ({ method, query: asked }: Seen): Reply | undefined => {
    const name = [...asked.keys()].find(
      (key) => refused.includes(key) || asked.getAll(key).some((value) => refused.includes(`${key}=${value}`)),
    )
    if (name === undefined) return undefined
    // A HEAD has no body.
    if (method === "HEAD") return { status: 400 }
    const detail = `The parameter '${name}' is not supported. ${"Ask your administrator. ".repeat(20)}`
    return json(400, words === "keys" ? { [name]: [detail] } : { detail })
  },
})

describe("an order that lacks its state", () => {
  it.live("stays with its resource", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      fake.resources = tied(1).map((row) => ({
        ...row,
        state: "Updating",
        order_in_progress: { state: "executing", type: "Update" },
      }))
      fake.instead = ({ method, query: asked }) => {
        if (method !== "GET" || !asked.has("order_state") || asked.has("order_state", "__impossible__"))
          return undefined
        const trimmed = fake.resources.map((row) => ({ ...row, order_in_progress: { type: "Update" } }))
        const { body = "" } = json(200, trimmed)
        return { status: 200, body, headers: { "content-type": "application/json", "x-result-count": "1" } }
      }
      const waldur = yield* clientOf(fake)
      const { rows } = yield* waldur.readResources(query).pipe(captureLogs([]))
      expect(rows).toMatchObject([{ order_in_progress: { type: "Update" } }])
    }),
  )
})

describe("a value that Waldur refuses", () => {
  it.live.each(["o", "visible_to_providers", "field", "page_size", "modified", "state", "order_state"])(
    "is omitted with a warning if a list does not need it: %s",
    (name) =>
      Effect.gen(function* () {
        for (const words of ["keys", "sentence"] as const) {
          const fake = yield* startFakeWaldur
          fake.resources = tied(25).map((row, index) => ({
            ...row,
            ...(index % 5 === 0
              ? { state: "Updating", order_in_progress: { state: "executing", type: "Update" } }
              : index === 7
                ? { state: "Terminating" }
                : {}),
          }))
          fake.instead = refusing([name], words).instead
          const logs: Array<LogLine> = []
          const waldur = yield* clientOf(fake)
          const read = yield* waldur.readResources(query).pipe(captureLogs(logs))
          expect(bySlug(read.rows)).toEqual(bySlug(fake.resources))
          expect(logs.some(({ concession }) => String(concession).includes(name))).toBe(true)
          expect((yield* waldur.concessions()).join()).toContain(name)
          const before = logs.length
          yield* waldur.readResources(query).pipe(captureLogs(logs))
          expect(logs.length).toBe(before)
        }
      }),
  )

  it.live.each(["modified", "order_state", "order_state=pending-project"])(
    "is omitted even if the 400 does not name it: %s",
    (name) =>
      Effect.gen(function* () {
        const fake = yield* startFakeWaldur
        fake.resources = tied(25)
        const { instead } = refusing([name])
        fake.instead = (seen) => (instead(seen) === undefined ? undefined : { status: 400, body: "Bad Request" })
        const waldur = yield* clientOf(fake)
        const read = yield* waldur.readResources(query).pipe(captureLogs([]))
        expect(bySlug(read.rows)).toEqual(bySlug(fake.resources))
        expect((yield* waldur.concessions()).join()).toContain(name.replace("order_state=", ""))
      }),
  )

  it.live("is sent again by each full read, so that an upgrade is noticed", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      fake.resources = tied(3)
      fake.instead = refusing(["o", "visible_to_providers", "order_state=pending-project"]).instead
      const waldur = yield* clientOf(fake)
      yield* waldur.readResources(query).pipe(captureLogs([]))
      expect((yield* waldur.concessions()).length).toBe(3)
      fake.instead = () => undefined
      yield* waldur.readResources(query)
      expect(yield* waldur.concessions()).toEqual([])
      expect(fake.seen.at(-1)?.query.get("visible_to_providers")).toBe("true")
    }),
  )

  it.live("is a failure with a one-sentence reason if it is essential: the offering", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      fake.resources = tied(3)
      fake.instead = refusing(["offering_slug=capstor"]).instead
      const error = yield* Effect.flip((yield* clientOf(fake)).readResources(query))
      expect(error).toMatchObject({ _tag: "WaldurRejected", status: 400, parameters: ["offering_slug"] })
      expect(error.message).toMatch(/offering_slug/)
    }),
  )

  it.live("in a read of changes makes the next read a full one", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      fake.resources = tied(3)
      const waldur = yield* clientOf(fake)
      const last = { ...(yield* waldur.readResources(query)), asOf: Date.now() }
      for (const name of ["modified", "order_state", "order_state=executing"]) {
        fake.instead = refusing([name]).instead
        expect(Option.isNone(yield* waldur.readChanges(query, last).pipe(captureLogs([])))).toBe(true)
      }
    }),
  )

  it.live("in any combination leads to the correct list or a typed failure", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      const run = yield* Effect.context<never>()
      const values = [
        "o",
        "visible_to_providers",
        "field",
        "field=order_in_progress",
        "field=attributes",
        "page_size",
        "page_size=300",
        "page_size=100",
        "page_size=1",
        "page=1",
        "page=2",
        "modified",
        "state",
        "state=Updating",
        "order_state",
        "order_state=__impossible__",
        "order_state=executing",
        "order_state=pending-provider",
        "order_state=pending-consumer",
        "order_state=pending-project",
        "order_state=pending-start-date",
        "offering_slug",
        "offering_slug=__impossible__",
        "offering_slug=capstor",
      ]
      const orderStates = ["executing", "pending-provider", "pending-consumer", "pending-project", "pending-start-date"]
      const counts = { Success: 0, Failure: 0 }
      yield* Effect.promise(() =>
        fc.assert(
          fc.asyncProperty(
            fc.subarray(values, { maxLength: 6 }),
            fc.integer({ min: 0, max: 40 }),
            fc.constantFrom("keys" as const, "sentence" as const),
            async (refused, count, words) => {
              // No order has a state that this Waldur does not know; all have states that every Waldur knows.
              const known = orderStates.filter(
                (state) =>
                  state === "executing" || state === "pending-provider" || !refused.includes(`order_state=${state}`),
              )
              fake.resources = tied(count).map((row, index) => {
                const order = { state: known[index % known.length] ?? "", type: "Update" }
                return index % 3 === 0
                  ? { ...row, attributes: {}, state: "Updating", order_in_progress: order }
                  : { ...row, attributes: {} }
              })
              fake.instead = refusing(refused, words).instead
              const result = await Effect.runPromiseWith(run)(
                Effect.scoped(
                  Effect.gen(function* () {
                    return yield* Effect.result((yield* clientOf(fake)).readResources(query))
                  }),
                ).pipe(captureLogs([])),
              )
              counts[result._tag] += 1
              if (result._tag === "Failure") {
                expect(result.failure).toMatchObject({ _tag: "WaldurRejected", status: 400 })
                expect(refused.some((value) => value.startsWith("page=") || value.startsWith("offering_slug"))).toBe(
                  true,
                )
                return
              }
              expect(bySlug(result.success.rows)).toEqual(bySlug(fake.resources))
            },
          ),
          { numRuns: 40 },
        ),
      )
      expect(Math.min(counts.Success, counts.Failure)).toBeGreaterThan(0)
    }),
  )
})
