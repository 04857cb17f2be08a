import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect } from "effect"
import fc from "fast-check"
import { expect, onTestFinished, test } from "vitest"
import { type ItemRecord, openJournal, readJournal } from "../../src/journal/journal.ts"
import { holdLock } from "../../src/journal/lock.ts"

const aDirectory = () => {
  const directory = mkdtempSync(join(tmpdir(), "provisioner-journal-"))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  return directory
}

const using = <A, E>(
  directory: string,
  use: (journal: Effect.Success<ReturnType<typeof openJournal>>) => Effect.Effect<A, E>,
) => Effect.runPromise(Effect.scoped(Effect.flatMap(openJournal(directory), use)))

const record = (path: string): ItemRecord => ({ system: "capstor", path })

test("a journal returns the newest record of each item after a restart", async () => {
  const directory = aDirectory()
  await using(directory, ({ put }) =>
    Effect.all([put("a", record("/1")), put("b", record("/2")), put("a", { ...record("/3"), intent: "move" })]),
  )
  const items = await using(directory, ({ items }) => Effect.succeed(new Map(items)))
  expect(Object.fromEntries(items)).toEqual({ a: { ...record("/3"), intent: "move" }, b: record("/2") })
})

test("a journal that was cut off anywhere returns the records of all whole lines, and accepts new ones", async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(400), async (cut) => {
      const directory = aDirectory()
      const file = join(directory, "journal.jsonl")
      await using(directory, ({ put }) =>
        Effect.forEach([1, 2, 3], (number) => put(`item ${number}`, record(`/${number}`))),
      )
      truncateSync(file, Math.max(0, statSync(file).size - cut))
      const whole = readFileSync(file, "utf8").split("\n").slice(1, -1).length
      await using(directory, ({ items, put }) => {
        expect(items.size).toBe(Math.max(0, whole))
        return put("next", record("/next"))
      })
      const items = await Effect.runPromise(readJournal(directory))
      expect(items.get("next")).toEqual(record("/next"))
      expect(items.size).toBe(whole + 1)
    }),
    { numRuns: 50 },
  )
})

test("a journal with a whole line that is not understood is refused", async () => {
  const directory = aDirectory()
  await using(directory, ({ put }) => put("a", record("/1")))
  appendFileSync(join(directory, "journal.jsonl"), '{"item":"b"}\n')
  await expect(using(directory, () => Effect.void)).rejects.toThrow(/line 3 is not understood/)
})

test("a journal with many outdated lines is compacted at the next start", async () => {
  const directory = aDirectory()
  await using(directory, ({ put }) =>
    Effect.forEach(
      Array.from({ length: 1100 }, (_, n) => n),
      (n) => put("a", record(`/${n}`)),
    ),
  )
  await using(directory, ({ items }) => Effect.sync(() => expect(items.get("a")).toEqual(record("/1099"))))
  expect(readFileSync(join(directory, "journal.jsonl"), "utf8").split("\n")).toHaveLength(3)
})

test("a journal's directory has one writer at a time", async () => {
  const directory = aDirectory()
  const second = Effect.scoped(Effect.result(holdLock(directory)))
  const result = await Effect.runPromise(Effect.scoped(Effect.andThen(holdLock(directory), second)))
  expect(result._tag).toBe("Failure")
  expect((await Effect.runPromise(second))._tag).toBe("Success")
})

test("a directory that is missing cannot be locked, and the error names it", async () => {
  const missing = join(aDirectory(), "missing")
  const result = await Effect.runPromise(Effect.scoped(Effect.flip(holdLock(missing))))
  expect([result._tag, result.message]).toEqual(["NothingToLock", expect.stringContaining(missing)])
})
