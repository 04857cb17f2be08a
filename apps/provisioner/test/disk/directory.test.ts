import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { Effect, type Scope } from "effect"
import { beforeEach, describe, expect, onTestFinished, test } from "vitest"
import type { Directory } from "../../src/disk/directory.ts"
import { errorOf, isClaim, openAbsolute, openBelow, openChild, renameInto, statusOf } from "../../src/disk/directory.ts"
import type { DriverError } from "../../src/drivers/driver.ts"

describe("directories by open handles", () => {
  let folder = ""
  beforeEach(() => {
    folder = realpathSync(mkdtempSync(`${tmpdir()}/disk-`))
    const made = folder
    onTestFinished(() => rmSync(made, { recursive: true }))
  })
  const run = <A>(work: Effect.Effect<A, DriverError, Scope.Scope>) => Effect.runPromise(Effect.scoped(work))
  const tagOf = (work: Effect.Effect<unknown, DriverError, Scope.Scope>) =>
    run(
      work.pipe(
        Effect.flip,
        Effect.map(({ _tag }) => _tag),
      ) as Effect.Effect<string, DriverError, Scope.Scope>,
    )
  const open = (path: string) =>
    Effect.flatMap(openAbsolute(path), (found) => (found === null ? Effect.die(path) : Effect.succeed(found)))
  const renamed = (from: string, to: string) =>
    Effect.gen(function* () {
      const top = yield* open(folder)
      const moved = yield* openChild(top, from)
      yield* renameInto(moved as Directory, [top, from], [top, to])
    })

  test("a symbolic link in the path of a root is not followed", async () => {
    mkdirSync(`${folder}/real/root`, { recursive: true })
    symlinkSync(`${folder}/real`, `${folder}/link`)
    expect(await tagOf(openAbsolute(`${folder}/link/root`))).toBe("Conflict")
    expect(await run(openAbsolute(`${folder}/missing/root`))).toBe(null)
  })

  test("a walk never passes a component that is repeatedly swapped for a symbolic link", async () => {
    mkdirSync(`${folder}/root/a/b`, { recursive: true })
    mkdirSync(`${folder}/outside/b`, { recursive: true })
    symlinkSync(`${folder}/outside`, `${folder}/link`)
    const inside = lstatSync(`${folder}/root/a/b`, { bigint: true })
    let isOver = false
    let swaps = 0
    const swapping = (async () => {
      while (!isOver) {
        renameSync(`${folder}/root/a`, `${folder}/aside`)
        renameSync(`${folder}/link`, `${folder}/root/a`)
        await new Promise((resolve) => setImmediate(resolve))
        renameSync(`${folder}/root/a`, `${folder}/link`)
        renameSync(`${folder}/aside`, `${folder}/root/a`)
        swaps++
        await new Promise((resolve) => setImmediate(resolve))
      }
    })()
    const arrivals = { inside: 0, refused: 0 }
    for (let walk = 0; walk < 500; walk++) {
      const found = await run(
        open(`${folder}/root`).pipe(
          Effect.flatMap((root) => openBelow(root, ["a", "b"])),
          Effect.flatMap((found) => (found === null ? Effect.succeed(null) : statusOf(found))),
          Effect.catchTag("Conflict", () => Effect.succeed(null)),
        ),
      )
      if (found === null) arrivals.refused++
      else {
        expect(found.identity).toBe(`${inside.ino}:${inside.birthtimeNs}`)
        arrivals.inside++
      }
    }
    isOver = true
    await swapping
    expect(swaps).toBeGreaterThan(0)
    expect(arrivals.inside + arrivals.refused).toBe(500)
  })

  test("a rename replaces no directory, file or link, and leaves no claim", async () => {
    mkdirSync(`${folder}/from`)
    mkdirSync(`${folder}/empty`)
    writeFileSync(`${folder}/file`, "")
    symlinkSync("nowhere", `${folder}/link`)
    for (const to of ["empty", "file", "link"]) expect([to, await tagOf(renamed("from", to))]).toEqual([to, "Conflict"])
    expect(readdirSync(folder).toSorted()).toEqual(["empty", "file", "from", "link"])
    await run(renamed("from", "to"))
    expect(readdirSync(folder).toSorted()).toEqual(["empty", "file", "link", "to"])
  })

  test("a claim left by a crash is used again, unless it has content or another mode", async () => {
    for (const name of ["from", "used", "closed"]) mkdirSync(`${folder}/${name}`)
    mkdirSync(`${folder}/claim`, 0o1000)
    mkdirSync(`${folder}/used/data`)
    expect(await run(Effect.map(Effect.flatMap(open(`${folder}/claim`), statusOf), isClaim))).toBe(true)
    await run(renamed("from", "claim"))
    expect(await tagOf(renamed("claim", "used"))).toBe("Conflict")
    expect(await tagOf(renamed("claim", "closed"))).toBe("Conflict")
  })

  test("a rename does not affect another directory that took the name since the first was opened", async () => {
    mkdirSync(`${folder}/a`)
    const swapped = Effect.gen(function* () {
      const top = yield* open(folder)
      const moved = (yield* openChild(top, "a")) as Directory
      renameSync(`${folder}/a`, `${folder}/aside`)
      mkdirSync(`${folder}/a`)
      yield* renameInto(moved, [top, "a"], [top, "b"])
    })
    expect(await tagOf(swapped)).toBe("Conflict")
    expect(readdirSync(folder).toSorted()).toEqual(["a", "aside"])
  })

  test.each([
    ["EXDEV", "Conflict"],
    ["EEXIST", "Conflict"],
    ["EROFS", "Refused"],
    ["EPERM", "Refused"],
    ["EIO", "UnknownOutcome"],
    ["ENOSPC", "UnknownOutcome"],
    ["ETIMEDOUT", "UnknownOutcome"],
    ["EINTR", "UnknownOutcome"],
    ["UNKNOWN", "UnknownOutcome"],
  ])("the error %s means %s", (code, tag) => {
    expect(errorOf("a step", Object.assign(new Error(code), { code }))._tag).toBe(tag)
  })
})
