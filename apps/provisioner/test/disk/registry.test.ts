import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { Effect, Exit } from "effect"
import { beforeEach, describe, expect, onTestFinished, test } from "vitest"
import { openRegistry, type Registry } from "../../src/disk/registry.ts"
import type { DriverError } from "../../src/drivers/driver.ts"

describe("the registry", () => {
  let path = ""
  beforeEach(() => {
    const folder = mkdtempSync(`${tmpdir()}/registry-`)
    path = `${folder}/registry`
    onTestFinished(() => rmSync(folder, { recursive: true }))
  })
  const opened = <A>(work: (registry: Registry) => Effect.Effect<A, DriverError>, root = "/root") =>
    Effect.runPromise(Effect.scoped(Effect.flatMap(openRegistry(path, root), work)))
  const refused = (root?: string) =>
    opened(() => Effect.void, root).then(
      () => "opened",
      ({ _tag }) => _tag,
    )

  test("returns what was stored after it is reopened, and null removes a field", async () => {
    await opened((registry) => registry.put("a", { projectId: 7, path: "/root/a", identity: "1:2" }))
    await opened((registry) => registry.put("a", { path: null }))
    await opened((registry) =>
      Effect.sync(() => {
        const known = { itemId: "a", projectId: 7, identity: "1:2" }
        expect([registry.get("a"), registry.byIdentity("1:2"), registry.byProjectId(7)]).toEqual([known, known, known])
      }),
    )
  })

  test("ignores a last line that was cut off, and refuses any other that cannot be read", async () => {
    await opened((registry) => registry.put("a", { projectId: 7 }))
    appendFileSync(path, '{"itemId":"b","projectId":')
    await opened((registry) => registry.put("c", { projectId: 9 }))
    expect(await opened((registry) => Effect.succeed([registry.get("b"), registry.get("c")]))).toEqual([
      undefined,
      { itemId: "c", projectId: 9 },
    ])
    appendFileSync(path, "torn\n")
    expect(await refused()).toBe("Refused")
  })

  test("is refused if it belongs to another root, or gives one ID to two items", async () => {
    await opened((registry) => registry.put("a", { projectId: 7 }))
    expect(await refused("/other")).toBe("Refused")
    appendFileSync(path, '{"itemId":"b","projectId":7}\n')
    expect(await refused()).toBe("Refused")
  })

  test("takes an identity that occurs again for that of the item that was stored last, also after a restart", async () => {
    await opened((registry) => registry.put("b", {}))
    await opened((registry) => registry.put("a", { identity: "1:0", path: "/root/a" }))
    // The directory of a was deleted, and that of b has its inode.
    await opened((registry) => registry.put("b", { identity: "1:0", path: "/root/b" }))
    const owner = () => opened((registry) => Effect.succeed(registry.byIdentity("1:0")?.itemId))
    for (const identity of [undefined, "2:0"]) {
      await opened((registry) => registry.put("a", identity === undefined ? { path: null } : { identity }))
      expect(await owner()).toBe("b")
    }
  })

  test("leaves no file open when it cannot be written", async () => {
    const open = () => readdirSync("/proc/self/fd").length
    await opened((registry) =>
      Effect.gen(function* () {
        mkdirSync(path)
        const before = open()
        for (let time = 0; time < 5; time++)
          expect(Exit.isFailure(yield* Effect.exit(registry.put("a", {})))).toBe(true)
        expect(open()).toBe(before)
      }),
    )
  })

  test("is not written by a process that only reads, and its first write omits superseded lines", async () => {
    await opened((registry) => Effect.forEach([1, 2, 3], (id) => registry.put("a", { path: `/root/${id}` })))
    const written = () => {
      const { ino, mtimeMs, size } = statSync(path)
      return { ino, mtimeMs, size }
    }
    const before = written()
    await opened((registry) => Effect.succeed(registry.get("a")))
    expect(written()).toEqual(before)
    await opened((registry) => registry.put("b", {}))
    expect(readFileSync(path, "utf8").trim().split("\n")).toHaveLength(3)
  })
})
