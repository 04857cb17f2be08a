/** The one suite that every driver must pass. A driver's own test file calls it with a factory. */
import { execFileSync } from "node:child_process"
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs"
import { dirname } from "node:path"
import { Effect, Exit, Result, type Scope } from "effect"
import * as fc from "fast-check"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import type { Driver, DriverError, Listed, Quotas } from "../../src/drivers/driver.ts"

/** A driver on an empty root of its own. */
export interface Subject {
  readonly root: string
  readonly registry: string
  /** Opens it. Opening it again is like a restart of the process. */
  readonly open: Effect.Effect<Driver, DriverError, Scope.Scope>
  /** Makes a directory that can be adopted, as another program would. Default: `mkdir`. */
  readonly foreign?: (path: string) => void
  /** Sets the quota of a directory as another program would, without the driver. */
  readonly tamper: (path: string) => Promise<void> | void
  readonly close: () => Promise<void> | void
}

/** A group to which this process may give a directory: any group for root. */
export const group: number = (process.geteuid?.() === 0 ? 31_001 : process.getegid?.()) ?? 0

const tera = 10n ** 12n
const quotas = (size: bigint): Quotas => ({
  spaceSoft: (size * tera) / 10n,
  spaceHard: (size * tera) / 5n,
  inodesSoft: size * 1024n,
  inodesHard: size * 2048n,
})

/** Limits of space: a byte, around the blocks of file systems, fractions of a TB, and up to the largest. */
const bytes = fc.oneof(
  fc
    .tuple(fc.constantFrom(1n, 512n, 1024n, 4096n, 2n ** 20n), fc.constantFrom(-1n, 0n, 1n))
    .map(([block, by]) => block + by),
  fc.bigInt({ min: 1n, max: 5000n }).map((milli) => milli * 10n ** 9n),
  fc.bigInt({ min: 1n, max: 2n ** 63n - 1n }),
  fc.constant(2n ** 63n - 1n),
)
/** VAST's API takes numbers of inodes as doubles. */
const inodes = fc.oneof(fc.bigInt({ min: 1n, max: 3000n }), fc.bigInt({ min: 1n, max: 2n ** 53n }))
const anyQuotas = fc.record(
  { spaceSoft: bytes, spaceHard: bytes, inodesSoft: inodes, inodesHard: inodes },
  { requiredKeys: [] },
)

let serial = 0
const uuid = () => `00000000-0000-4000-8000-${String(++serial).padStart(12, "0")}`

export const driverContract = (name: string, make: () => Promise<Subject>): void => {
  describe(`the driver ${name}`, () => {
    let subject: Subject
    beforeAll(async () => {
      subject = await make()
    })
    afterAll(() => subject?.close())

    /** Each step with a new driver: only what is on disk is carried over. */
    const act = <A>(work: (driver: Driver) => Effect.Effect<A, DriverError>): Promise<A> =>
      Effect.runPromise(Effect.scoped(Effect.flatMap(subject.open, work)))
    const failure = async (work: (driver: Driver) => Effect.Effect<unknown, DriverError>): Promise<string> => {
      const exit = await Effect.runPromise(Effect.exit(Effect.flip(Effect.scoped(Effect.flatMap(subject.open, work)))))
      if (Exit.isSuccess(exit)) return exit.value._tag
      throw new Error("it succeeded")
    }
    const listed = (path: string, size: bigint | null = 10n): Listed => ({
      itemId: uuid(),
      path: `${subject.root}/${path}`,
      gid: group,
      mode: 0o2770,
      quotas: size === null ? null : quotas(size),
    })
    const made = async (path: string, size: bigint | null = 10n): Promise<Listed> => {
      const entry = listed(path, size)
      expect(await act((driver) => driver.ensureDirectory(entry))).toBe("made")
      return entry
    }
    const isThere = (path: string) => lstatSync(path, { throwIfNoEntry: false }) !== undefined
    const differences = (entry: Listed) =>
      act((driver) =>
        Effect.map(driver.readBack(entry), (observed) =>
          observed === null ? ["missing"] : driver.differences(entry, observed),
        ),
      )

    test("a new directory has owner, group, mode and quotas as listed, and nothing hidden stays beside it", async () => {
      const entry = await made("made/a")
      const { uid, gid, mode } = lstatSync(entry.path)
      expect([uid, gid, mode & 0o7777]).toEqual([process.geteuid?.(), entry.gid, 0o2770])
      expect(await differences(entry)).toEqual([])
      expect(readdirSync(dirname(entry.path))).toEqual(["a"])
      const observed = await act((driver) => driver.readBack(entry))
      expect(observed?.itemId).toBe(entry.itemId)
    })

    test("a directory that is as listed is left unchanged", async () => {
      const entry = await made("again/a")
      const { ctimeNs } = lstatSync(entry.path, { bigint: true })
      expect(await act((driver) => driver.ensureDirectory(entry))).toBe("unchanged")
      expect(lstatSync(entry.path, { bigint: true }).ctimeNs).toBe(ctimeNs)
    })

    test("the mode that is compared and set includes setgid and the other special bits", async () => {
      const entry = await made("mode/a")
      chmodSync(entry.path, 0o770)
      expect(await differences(entry)).toEqual(["mode 0770, not 2770"])
      expect(await act((driver) => driver.ensureDirectory(entry))).toBe("changed")
      expect(lstatSync(entry.path).mode & 0o7777).toBe(0o2770)
    })

    test("quotas can grow and shrink, and are read back rounded", async () => {
      const entry = await made("size/a", 10n)
      for (const size of [30n, 5n]) {
        expect(await act((driver) => driver.ensureQuota(entry, quotas(size)))).toBe("changed")
        expect(await act((driver) => driver.ensureQuota(entry, quotas(size)))).toBe("unchanged")
        expect(await differences({ ...entry, quotas: quotas(size) })).toEqual([])
        const found = (await act((driver) => driver.readBack(entry)))?.quotas ?? {}
        const { enforces, granularity } = await act((driver) => Effect.succeed(driver.capabilities))
        expect(Object.keys(found).toSorted()).toEqual([...enforces].toSorted())
        for (const kind of enforces) {
          const granule = kind.startsWith("space") ? granularity.bytes : granularity.inodes
          expect((quotas(size)[kind] ?? 0n) - (found[kind] ?? 0n)).toBeLessThan(granule)
          expect(found[kind]).toBeLessThanOrEqual(quotas(size)[kind] ?? 0n)
        }
      }
    })

    test("limits of any size are settled once they are set, and are never more than one granule, or than was ordered", async () => {
      const entry = await made("any/a")
      const { enforces, granularity } = await act((driver) => Effect.succeed(driver.capabilities))
      await fc.assert(
        fc.asyncProperty(anyQuotas, (ordered) =>
          act((driver) =>
            Effect.gen(function* () {
              const before = (yield* driver.readBack(entry))?.quotas ?? {}
              const exit = yield* Effect.result(driver.ensureQuota(entry, ordered))
              const observed = yield* driver.readBack(entry)
              const found = observed?.quotas ?? {}
              if (Result.isFailure(exit)) {
                expect(exit.failure.detail).toMatch(/^(space|inodes)Soft is above|^(space|inodes)(Soft|Hard) is 0:/)
                expect(found).toEqual(before)
                return
              }
              expect(observed && driver.differences({ ...entry, quotas: ordered }, observed)).toEqual([])
              for (const kind of enforces) {
                const granule = kind.startsWith("space") ? granularity.bytes : granularity.inodes
                const wanted = ordered[kind] ?? before[kind]
                const hard = kind.startsWith("space") ? found.spaceHard : found.inodesHard
                if (wanted === undefined) {
                  expect(found[kind]).toBeUndefined()
                  continue
                }
                // A system may leave out a soft limit that equals the hard one.
                const limit = found[kind] ?? hard
                expect(limit !== undefined && (limit <= wanted || limit === granule)).toBe(true)
              }
            }),
          ),
        ),
        { numRuns: 30 },
      )
      await act((driver) => driver.trash(entry, uuid()))
    })

    test("quotas of null leave the current ones unchanged", async () => {
      const entry = await made("null/a")
      expect(await act((driver) => driver.ensureDirectory({ ...entry, quotas: null }))).toBe("unchanged")
      expect(await differences(entry)).toEqual([])
      const without = await made("null/b", null)
      expect(await differences(without)).toEqual([])
    })

    test("an absent quota leaves the current one unchanged", async () => {
      const entry = await made("partial/a")
      const { spaceSoft = 0n, ...others } = quotas(10n)
      await act((driver) => driver.ensureQuota(entry, { spaceHard: 3n * tera }))
      expect(await differences({ ...entry, quotas: { ...others, spaceSoft, spaceHard: 3n * tera } })).toEqual([])
    })

    test.each([
      ["the hard limit as it is", [10n, 10n]],
      ["both larger", [20n, 20n]],
      ["both smaller than the soft limit", [4n, 4n]],
    ])("a soft limit equal to the hard one replaces a lower one: %s", async (_, [soft = 0n, hard = 0n]) => {
      const entry = await made("equal/a")
      await act((driver) => driver.ensureQuota(entry, { spaceSoft: 5n * tera, spaceHard: 10n * tera }))
      const equal = { ...entry, quotas: { ...entry.quotas, spaceSoft: soft * tera, spaceHard: hard * tera } }
      const { enforces } = await act((driver) => Effect.succeed(driver.capabilities))
      if (enforces.includes("spaceSoft")) expect(await differences(equal)).not.toEqual([])
      await act((driver) => driver.ensureDirectory(equal))
      expect(await differences(equal)).toEqual([])
      const { spaceSoft = hard * tera, spaceHard } = (await act((driver) => driver.readBack(equal)))?.quotas ?? {}
      expect([spaceSoft, spaceHard]).toEqual([hard * tera, hard * tera])
      await act((driver) => driver.trash(equal, uuid()))
    })

    test("a quota that another program changed is a difference, and is set again", async () => {
      const entry = await made("tampered/a")
      await subject.tamper(entry.path)
      expect(await differences(entry)).not.toEqual([])
      expect(await act((driver) => driver.ensureDirectory(entry))).toBe("changed")
      expect(await differences(entry)).toEqual([])
    })

    test("two directories of one group have quotas of their own", async () => {
      const [store, archive] = [await made("store/a", 10n), await made("archive/a", 20n)]
      expect([await differences(store), await differences(archive)]).toEqual([[], []])
      await act((driver) => driver.ensureQuota(archive, quotas(7n)))
      expect(await differences(store)).toEqual([])
    })

    test.each([
      ["a quota of 0", { quotas: { spaceHard: 0n } }],
      ["a soft quota above the hard one", { quotas: { spaceSoft: 2n * tera, spaceHard: tera } }],
      ["the group 0", { gid: 0 }],
      ["no group", { gid: Number.NaN }],
      ["a mode of more than four digits", { mode: 0o40775 }],
      ["an itemId that is a path", { itemId: "../a" }],
    ])("%s is refused, and nothing is made", async (_, wrong) => {
      const entry = { ...listed("refused/a"), ...wrong }
      expect(await failure((driver) => driver.ensureDirectory(entry))).toBe("Refused")
      expect(isThere(`${subject.root}/refused`)).toBe(false)
    })

    test("a path outside the root, the root itself and a hidden component are refused", async () => {
      const { root } = subject
      for (const path of [
        root,
        `${root}/`,
        `${root}/../a`,
        `${root}/a/../b`,
        `${root}x/a`,
        `${root}/.cscs-trash/a`,
        "a",
        `${root}/a//b`,
      ])
        expect([path, await failure((driver) => driver.ensureDirectory({ ...listed("x"), path }))]).toEqual([
          path,
          "Refused",
        ])
    })

    test("a symbolic link at any component is a conflict, and its target is not touched", async () => {
      const outside = `${dirname(subject.registry)}/outside`
      mkdirSync(`${outside}/a`, { recursive: true })
      mkdirSync(`${subject.root}/links`)
      symlinkSync(outside, `${subject.root}/links/above`)
      symlinkSync(`${outside}/a`, `${subject.root}/links/here`)
      symlinkSync(`${outside}/missing`, `${subject.root}/links/dangling`)
      const before = lstatSync(`${outside}/a`)
      for (const path of ["links/above/a", "links/above/b", "links/here", "links/dangling"]) {
        const entry = listed(path)
        expect(await failure((driver) => driver.ensureDirectory(entry))).toBe("Conflict")
        expect(await failure((driver) => driver.ensureFolder(`${entry.path}/below`, 0o775))).toBe("Conflict")
        expect(await failure((driver) => driver.trash(entry, uuid()))).toBe("Conflict")
      }
      expect(lstatSync(`${outside}/a`)).toEqual(before)
      expect(readdirSync(outside)).toEqual(["a"])
    })

    test("a directory that no driver made is a conflict, and is neither changed nor removed", async () => {
      const entry = listed("foreign/a")
      mkdirSync(entry.path, { recursive: true, mode: 0o750 })
      const before = lstatSync(entry.path)
      expect(await failure((driver) => driver.ensureDirectory(entry))).toBe("Conflict")
      expect(await failure((driver) => driver.ensureQuota(entry, quotas(1n)))).toBe("Conflict")
      expect(await failure((driver) => driver.trash(entry, uuid()))).toBe("Conflict")
      expect(await failure((driver) => driver.move({ ...entry, path: `${entry.path}-new` }, entry.path))).toBe(
        "Conflict",
      )
      expect((await act((driver) => driver.readBack(entry)))?.itemId).toBe(null)
      expect(lstatSync(entry.path)).toEqual(before)
    })

    test("another item's directory is a conflict, although the path is the same", async () => {
      const entry = await made("taken/a")
      const other = { ...entry, itemId: uuid(), quotas: quotas(99n) }
      expect(await failure((driver) => driver.ensureDirectory(other))).toBe("Conflict")
      expect(await failure((driver) => driver.trash(other, uuid()))).toBe("Conflict")
      expect(await differences(entry)).toEqual([])
    })

    test("no second directory is made for an item", async () => {
      const entry = await made("moved/a")
      const elsewhere = { ...entry, path: `${subject.root}/moved/b` }
      expect(await failure((driver) => driver.ensureDirectory(elsewhere))).toBe("Conflict")
      expect(isThere(elsewhere.path)).toBe(false)
    })

    test("a directory is moved with its content, and keeps its quotas once they are ensured", async () => {
      const entry = await made("old/a")
      writeFileSync(`${entry.path}/data`, "data")
      const moved = { ...entry, path: `${subject.root}/new/deep/b` }
      expect(await act((driver) => driver.move(moved, entry.path))).toBe("changed")
      expect(await act((driver) => driver.move(moved, entry.path))).toBe("unchanged")
      await act((driver) => driver.ensureDirectory(moved))
      expect(await differences(moved)).toEqual([])
      expect(readFileSync(`${moved.path}/data`, "utf8")).toBe("data")
      expect(readdirSync(dirname(entry.path))).toEqual([])
      expect(await act((driver) => driver.look(entry, true))).toMatchObject({
        whereabouts: { at: "path", path: moved.path },
      })
    })

    test("a move replaces nothing, not even an empty directory", async () => {
      const entry = await made("occupied/a")
      const moved = { ...entry, path: `${subject.root}/occupied/b` }
      mkdirSync(moved.path)
      expect(await failure((driver) => driver.move(moved, entry.path))).toBe("Conflict")
      rmSync(moved.path, { recursive: true })
      writeFileSync(moved.path, "a file")
      expect(await failure((driver) => driver.move(moved, entry.path))).toBe("Conflict")
      expect(readFileSync(moved.path, "utf8")).toBe("a file")
      expect(isThere(entry.path)).toBe(true)
      expect(await differences(entry)).toEqual([])
    })

    test.each([
      ["no quotas", null],
      ["only some of its quotas", { spaceHard: 2n * tera }],
    ])(
      "a directory that is listed with %s keeps the others when it is moved, removed and restored",
      async (_, only) => {
        const entry = await made("kept/a")
        const before = (await act((driver) => driver.readBack(entry)))?.quotas
        const moved = { ...entry, path: `${subject.root}/kept/b`, quotas: only }
        const kept = async () => {
          await act((driver) => driver.ensureDirectory(moved))
          expect(await differences(moved)).toEqual([])
          expect((await act((driver) => driver.readBack(moved)))?.quotas).toEqual(before)
        }
        await act((driver) => driver.move(moved, entry.path))
        await kept()
        await act((driver) => driver.trash(moved, uuid()))
        await act((driver) => driver.restore(moved))
        await kept()
        await act((driver) => driver.trash(moved, uuid()))
      },
    )

    test("a removed directory is in the trash with its data, once, and comes back", async () => {
      const entry = await made("gone/a")
      writeFileSync(`${entry.path}/data`, "data")
      const order = uuid()
      expect(await act((driver) => driver.trash(entry, order))).toBe("changed")
      expect(await act((driver) => driver.trash(entry, order))).toBe("unchanged")
      expect(readdirSync(dirname(entry.path))).toEqual([])
      const { whereabouts: found } = await act((driver) => driver.look(entry, true))
      expect(found).toMatchObject({ at: "trash", order })
      const removed = (await act((driver) => driver.trashed())).filter(({ itemId }) => itemId === entry.itemId)
      expect(removed).toEqual([{ itemId: entry.itemId, order, name: expect.any(String), since: expect.any(String) }])
      expect(await failure((driver) => driver.ensureDirectory(entry))).toBe("Conflict")

      expect(await act((driver) => driver.restore(entry))).toBe("changed")
      expect(await act((driver) => driver.restore(entry))).toBe("unchanged")
      await act((driver) => driver.ensureDirectory(entry))
      expect(await differences(entry)).toEqual([])
      expect(readFileSync(`${entry.path}/data`, "utf8")).toBe("data")
    })

    test("a directory that came back just before a crash is found at its path after the next restore", async () => {
      const entry = await made("back/a")
      await act((driver) => driver.trash(entry, "order"))
      const name = (await act((driver) => driver.trashed())).find(({ itemId }) => itemId === entry.itemId)?.name
      renameSync(`${subject.root}/.cscs-trash/${name}`, entry.path)
      expect(await act((driver) => driver.restore(entry))).toBe("unchanged")
      const { whereabouts } = await act((driver) => driver.look({ ...entry, path: `${entry.path}-new` }, false))
      expect(whereabouts).toEqual({ at: "path", path: entry.path })
    })

    test("a folder at the path of an item's deleted directory is not unlisted as that item's", async () => {
      const deleted = await made("deleted/a")
      rmSync(deleted.path, { recursive: true })
      const below = await made("deleted/a/b")
      const found = await act((driver) => driver.unlisted(new Set([below.path])))
      expect(found.filter(({ path }) => path === deleted.path)).toEqual([])
    })

    test("an item without a directory cannot be removed, restored or moved", async () => {
      const entry = listed("nowhere/a")
      expect(await failure((driver) => driver.trash(entry, uuid()))).toBe("Conflict")
      expect(await failure((driver) => driver.restore(entry))).toBe("Conflict")
      expect(await failure((driver) => driver.move(entry, `${subject.root}/nowhere/b`))).toBe("Conflict")
      expect(await act((driver) => driver.look(entry, true))).toEqual({ whereabouts: { at: "nowhere" }, atPath: null })
      expect(await act((driver) => driver.readBack(entry))).toBe(null)
    })

    test("a directory that an operator renamed is found by its mark at the listed path", async () => {
      const entry = await made("renamed/a")
      renameSync(entry.path, `${subject.root}/renamed/b`)
      const path = `${subject.root}/renamed/b`
      expect(await act((driver) => driver.look({ ...entry, path }, true))).toMatchObject({
        whereabouts: { at: "path", path },
      })
    })

    test("a copy of a directory at the listed path, mark included, is not taken for the directory", async () => {
      const entry = await made("copied/a")
      const path = `${subject.root}/copied/b`
      execFileSync("cp", ["-a", entry.path, path])
      const seen = await act((driver) =>
        driver.look({ ...entry, path }, false).pipe(
          Effect.map(({ whereabouts }) => whereabouts),
          // If the copy has no quota of its own.
          Effect.catchTag("Conflict", () => Effect.succeed("Conflict" as const)),
        ),
      )
      expect([{ at: "path", path: entry.path }, "Conflict"]).toContainEqual(seen)
    })

    test("a directory of another program is adopted as it is, with its content, and then kept as listed", async () => {
      const entry = listed("adopted/a")
      mkdirSync(dirname(entry.path))
      const { foreign = mkdirSync } = subject
      foreign(entry.path)
      chownSync(entry.path, -1, group)
      chmodSync(entry.path, 0o750)
      writeFileSync(`${entry.path}/data`, "data")
      const owner = async () => (await act((driver) => driver.readBack(entry)))?.itemId
      await act((driver) => driver.adoptable(entry))
      expect(await owner()).toBe(null)
      expect(await failure((driver) => driver.ensureDirectory(entry))).toBe("Conflict")

      const before = lstatSync(entry.path)
      expect(await act((driver) => driver.adopt(entry))).toBe("changed")
      const { ino, uid, gid, mode } = lstatSync(entry.path)
      expect([ino, uid, gid, mode]).toEqual([before.ino, before.uid, before.gid, before.mode])
      expect(await owner()).toBe(entry.itemId)
      const other = { ...entry, itemId: uuid() }
      expect(await failure((driver) => driver.adoptable(other))).toBe("Conflict")
      expect(await failure((driver) => driver.adopt(other))).toBe("Conflict")

      expect(await act((driver) => driver.ensureDirectory(entry))).toBe("changed")
      expect(await differences(entry)).toEqual([])
      expect(readFileSync(`${entry.path}/data`, "utf8")).toBe("data")
    })

    test("the directory of a tenant is made with its mode, and an existing one is left as it is", async () => {
      const path = `${subject.root}/tenant/customer`
      expect(await act((driver) => driver.ensureFolder(path, 0o775))).toBe("made")
      expect(lstatSync(path).mode & 0o7777).toBe(0o775)
      chmodSync(path, 0o700)
      expect(await act((driver) => driver.ensureFolder(path, 0o775))).toBe("unchanged")
      expect(lstatSync(path).mode & 0o7777).toBe(0o700)
    })

    test("unfinished directories left by a crash are reused, and leftover claims are ignored", async () => {
      const entry = listed("crash/a")
      await act((driver) => driver.ensureFolder(dirname(entry.path), 0o775))
      // What a crash leaves before the rename: the claim, made by the name and the mode at once.
      mkdirSync(entry.path, 0o1000)
      expect(await act((driver) => driver.readBack(entry))).toBe(null)
      expect(await act((driver) => driver.ensureDirectory(entry))).toBe("made")
      expect(await differences(entry)).toEqual([])
      expect(readdirSync(dirname(entry.path))).toEqual(["a"])
    })

    test("a directory with data that has the name of an unfinished one is a conflict", async () => {
      const entry = listed("unfinished/a")
      mkdirSync(`${dirname(entry.path)}/.new-${entry.itemId}/data`, { recursive: true })
      expect(await failure((driver) => driver.ensureDirectory(entry))).toBe("Conflict")
      expect(isThere(entry.path)).toBe(false)
    })

    test("eight directories can be made concurrently below shared directories", async () => {
      const entries = Array.from({ length: 8 }, (_, index) => listed(`parallel/${index % 2}/${index}`))
      await act((driver) => Effect.forEach(entries, driver.ensureDirectory, { concurrency: "unbounded" }))
      for (const entry of entries) expect(await differences(entry)).toEqual([])
    })

    test("usage is reported with the quotas, and includes inodes if the driver counts them", async () => {
      const entry = await made("used/a")
      const used = await act((driver) => driver.usage(entry))
      const { countsInodes } = await act((driver) => Effect.succeed(driver.capabilities))
      expect(used.bytes).toBeGreaterThanOrEqual(0n)
      expect(used.inodes === null).toBe(!countsInodes)
      expect(used.quotas).toEqual((await act((driver) => driver.readBack(entry)))?.quotas)
    })

    test("a root that others may write is refused, even after steps below it", async () => {
      const entry = await made("open/a")
      chmodSync(subject.root, 0o777)
      try {
        expect(await failure((driver) => driver.trash(entry, "order"))).toBe("Refused")
      } finally {
        chmodSync(subject.root, 0o755)
      }
    })

    test("a root whose file system is not mounted is refused, and nothing is made below it", async () => {
      await made("mounted/a")
      // Only the trash, which the driver made, distinguishes the file system from the empty directory under its mount.
      renameSync(`${subject.root}/.cscs-trash`, `${subject.root}/.aside`)
      try {
        expect(await failure((driver) => driver.ensureDirectory(listed("unmounted/a")))).toBe("Refused")
        expect(isThere(`${subject.root}/unmounted`)).toBe(false)
      } finally {
        renameSync(`${subject.root}/.aside`, `${subject.root}/.cscs-trash`)
      }
    })
  })
}
