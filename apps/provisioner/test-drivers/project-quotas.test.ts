/** `lustre`, `ext4` and `xfs` with mocks of their programs. */
import { execFileSync } from "node:child_process"
import { chownSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, dirname } from "node:path"
import { installQuotaPrograms, type ProgramFault, type QuotaPrograms } from "@cscs/sandbox"
import { Effect } from "effect"
import { afterAll, describe, expect, onTestFinished, test } from "vitest"
import type { Driver, DriverError, Listed } from "../src/drivers/driver.ts"
import { openDriver } from "../src/drivers/open-driver.ts"
import { driverContract, group, type Subject } from "../test/drivers/contract.ts"

type Type = "lustre" | "ext4" | "xfs"
const path = process.env.PATH
afterAll(() => {
  process.env.PATH = path
})

const prepared = (
  type: Type,
  projectIds = { first: 5000, last: 9999 },
  configuredMount?: string,
): Subject & { readonly programs: QuotaPrograms } => {
  const folder = realpathSync(mkdtempSync(`${tmpdir()}/driver-`))
  const mount = configuredMount ?? `${folder}/mount`
  const [root, registry] = [`${folder}/mount/root`, `${folder}/registry`]
  mkdirSync(root, { recursive: true, mode: 0o755 })
  const programs = installQuotaPrograms(folder, mount)
  process.env.PATH = `${programs.bin}${delimiter}${path}`
  return {
    root,
    registry,
    programs,
    open: openDriver({ type, root, registry, mount, projectIds }),
    foreign: (at) => {
      mkdirSync(at)
      programs.setProject(lstatSync(at).ino, projectIds.first + 1000)
    },
    tamper: (at) => programs.setLimits(remembered(registry, at).projectId, [1, 2, 3, 4]),
    close: () => rmSync(folder, { recursive: true }),
  }
}
const remembered = (registry: string, at: string): { readonly projectId: number } =>
  readFileSync(registry, "utf8")
    .split("\n")
    .slice(1, -1)
    .map((line) => JSON.parse(line))
    .findLast((one) => one.path === at)

for (const type of ["lustre", "ext4", "xfs"] as const) {
  driverContract(type, async () => prepared(type))

  describe(`project quotas of ${type}`, () => {
    const start = (projectIds?: { first: number; last: number }, configuredMount?: string) => {
      const subject = prepared(type, projectIds, configuredMount)
      onTestFinished(() => subject.close())
      const act = <A>(work: (driver: Driver) => Effect.Effect<A, DriverError>): Promise<A> =>
        Effect.runPromise(Effect.scoped(Effect.flatMap(subject.open, work)))
      const failure = (work: (driver: Driver) => Effect.Effect<unknown, DriverError>) =>
        Effect.runPromise(Effect.flip(Effect.scoped(Effect.flatMap(subject.open, work))))
      const listed = (name: string): Listed => ({
        itemId: `item-${name}`,
        path: `${subject.root}/${name}`,
        gid: group,
        mode: 0o2770,
        quotas: { spaceHard: 10n ** 12n, inodesHard: 1024n },
      })
      const idOf = (name: string) => remembered(subject.registry, `${subject.root}/${name}`).projectId
      return { ...subject, act, failure, listed, idOf }
    }
    const set = type === "lustre" ? "lfs setquota *" : "setquota *"

    test("1 TB is set as 976562500 KiB, and an absent limit as 0", async () => {
      const { act, listed, programs } = start()
      await act((driver) => driver.ensureDirectory(listed("a")))
      const line = programs.calls().find((call) => call.includes("setquota"))
      expect(line).toContain(type === "lustre" ? "-b 0 -B 976562500 -i 0 -I 1024" : "-P 5000 0 976562500 0 1024")
    })

    test("each directory has a project ID of its own, which is not a GID and is never assigned twice", async () => {
      const { act, listed, idOf } = start()
      for (const name of ["a", "b"]) await act((driver) => driver.ensureDirectory(listed(name)))
      await act((driver) => driver.trash(listed("b"), "order"))
      await act((driver) => driver.ensureDirectory(listed("c")))
      expect([idOf("a"), idOf("c")]).toEqual([5000, 5002])
    })

    test("a directory on another file system than the configured mount is a conflict, and no limit is set", async () => {
      const mount = mkdtempSync("/dev/shm/mount-")
      onTestFinished(() => rmSync(mount, { recursive: true }))
      const { failure, listed, programs } = start(undefined, mount)
      expect(await failure((driver) => driver.ensureDirectory(listed("a")))).toMatchObject({
        _tag: "Conflict",
        detail: `it is not on the file system that is mounted at ${mount}`,
      })
      expect(programs.calls().filter((call) => call.includes("setquota"))).toEqual([])
    })

    test("a project ID that another program uses is skipped", async () => {
      const { act, listed, idOf, programs } = start()
      programs.setUsed(5000, 8, 2)
      programs.setLimits(5001, [0, 100, 0, 0])
      await act((driver) => driver.ensureDirectory(listed("a")))
      expect(idOf("a")).toBe(5002)
    })

    test("a range without a free project ID, and one with 0 or 2^32 - 1, are refused", async () => {
      const { act, failure, listed } = start({ first: 5000, last: 5000 })
      await act((driver) => driver.ensureDirectory(listed("a")))
      expect((await failure((driver) => driver.ensureDirectory(listed("b"))))._tag).toBe("Refused")
      for (const range of [
        { first: 0, last: 9 },
        { first: 1, last: 2 ** 32 - 1 },
      ])
        expect((await start(range).failure((driver) => driver.trashed()))._tag).toBe("Refused")
    })

    test("a directory is adopted only with a configured project ID that no other item has, and keeps it", async () => {
      const { act, failure, listed, idOf, programs } = start()
      for (const name of ["a", "b"]) {
        mkdirSync(listed(name).path)
        chownSync(listed(name).path, -1, group)
      }
      const { ino } = lstatSync(listed("a").path)
      for (const id of [undefined, group, 4999, 10_000]) {
        programs.setProject(ino, id)
        expect(await failure((driver) => driver.adopt(listed("a")))).toMatchObject({ _tag: "Refused" })
      }
      programs.setProject(ino, 5007)
      programs.setProject(lstatSync(listed("b").path).ino, 5007)
      await act((driver) => driver.adoptable(listed("a")))
      expect(await act((driver) => driver.adopt(listed("a")))).toBe("changed")
      expect(await act((driver) => driver.adopt(listed("a")))).toBe("unchanged")
      expect(idOf("a")).toBe(5007)
      expect(await failure((driver) => driver.adopt(listed("b")))).toMatchObject({ _tag: "Conflict" })
      expect(programs.calls().some((call) => call.includes("setquota"))).toBe(false)
      expect(await act((driver) => driver.ensureDirectory(listed("a")))).toBe("changed")
      expect(idOf("a")).toBe(5007)
    })

    test("a directory with another project ID than the remembered one is a conflict", async () => {
      const { act, failure, listed, programs } = start()
      await act((driver) => driver.ensureDirectory(listed("a")))
      const { ino } = lstatSync(listed("a").path)
      for (const id of [7, undefined]) {
        programs.setProject(ino, id)
        const error = await failure((driver) => driver.ensureQuota(listed("a"), { spaceHard: 5n * 10n ** 12n }))
        expect(error).toMatchObject({ _tag: "Conflict", detail: expect.stringContaining("5000 is expected") })
      }
    })

    test("a root with a project ID of its own is refused, because renames out of it would fail", async () => {
      const { failure, programs, root } = start()
      programs.setProject(lstatSync(root).ino, 12)
      expect((await failure((driver) => driver.trashed()))._tag).toBe("Refused")
    })

    test.each<[string, ProgramFault, string]>([
      ["that fails", { what: "fail", text: "Input/output error" }, "UnknownOutcome"],
      ["that is not permitted", { what: "fail", text: "Operation not permitted" }, "Refused"],
      ["that reports success and sets nothing", { what: "silent" }, "Conflict"],
      ["that is interrupted", { what: "eintr" }, "UnknownOutcome"],
      ["that is killed", { what: "die" }, "UnknownOutcome"],
      ["that fails after it took effect", { what: "late" }, "UnknownOutcome"],
      ["with endless output", { what: "flood", text: "output" }, "UnknownOutcome"],
    ])("a quota command %s is not taken for success, and the next cycle completes the step", async (_, fault, tag) => {
      const { act, failure, listed, programs } = start()
      programs.fault(set, fault)
      expect((await failure((driver) => driver.ensureDirectory(listed("a"))))._tag).toBe(tag)
      expect(await act((driver) => driver.readBack(listed("a")))).toBe(null)
      expect(await act((driver) => driver.ensureDirectory(listed("a")))).toBe("made")
      expect(await act((driver) => driver.ensureDirectory(listed("a")))).toBe("unchanged")
    })

    test("a table with inaccurate figures or without a row is an unknown outcome, never a quota", async () => {
      const { act, failure, listed, programs } = start()
      await act((driver) => driver.ensureDirectory(listed("a")))
      const header = "Filesystem kbytes quota limit grace files quota limit grace"
      const rowOf = (used: string, limit: string) => `${header}\\n/mount ${used} 0 ${limit} - 1 0 0 -`
      // `check` reads ID 0 of ext4 and XFS first.
      const print = (text: string) =>
        programs.fault(type === "lustre" ? "lfs quota *" : "quota * 5000", { what: "output", text })
      const bad = ["", header, rowOf("[4]", "100"), rowOf("4", "[100]"), "/mount 4 0 976562500 - 1 0 1024 -"]
      for (const text of bad) {
        print(text)
        expect((await failure((driver) => driver.usage(listed("a"))))._tag).toBe("UnknownOutcome")
      }
      print(rowOf("4", "100"))
      expect(await act((driver) => driver.usage(listed("a")))).toMatchObject({ bytes: 4096n, inodes: 1n })
    })

    test("usage is in bytes, also of a directory that is over its soft limit", async () => {
      const { act, listed, programs, idOf } = start()
      const quotas = { spaceSoft: 4096n, spaceHard: 8192n }
      await act((driver) => driver.ensureDirectory({ ...listed("a"), quotas }))
      programs.setUsed(idOf("a"), 6, 9)
      expect(await act((driver) => driver.usage(listed("a")))).toEqual({ bytes: 6144n, inodes: 9n, quotas })
    })

    test("a limit of space is rounded down to what the file system can store", async () => {
      const { act, listed } = start()
      await act((driver) => driver.ensureDirectory({ ...listed("a"), quotas: { spaceHard: 11_000n } }))
      const spaceHard = type === "xfs" ? 8192n : 10_240n
      expect((await act((driver) => driver.readBack(listed("a"))))?.quotas).toEqual({ spaceHard })
    })

    if (type === "lustre") {
      test("limits of Lustre's default quota do not count as set", async () => {
        const { act, listed, programs } = start()
        programs.setDefault([0, 976562500, 0, 1024])
        await act((driver) => driver.ensureDirectory({ ...listed("a"), quotas: null }))
        expect((await act((driver) => driver.readBack(listed("a"))))?.quotas).toEqual({})
        expect(await act((driver) => driver.ensureDirectory(listed("a")))).toBe("changed")
        programs.setDefault([0, 1, 0, 1])
        expect(await act((driver) => driver.ensureDirectory(listed("a")))).toBe("unchanged")
      })

      test("a request that names only space leaves Lustre's default quota of inodes in force, and the reverse", async () => {
        const { act, listed, programs, idOf, root } = start()
        programs.setDefault([0, 976562500, 0, 1024])
        const defaults = (name: string) =>
          execFileSync("lfs", ["quota", "-p", String(idOf(name)), dirname(root)], { encoding: "utf8" }).match(
            /default \w+/g,
          )
        await act((driver) => driver.ensureDirectory({ ...listed("a"), quotas: { spaceHard: 10n ** 12n } }))
        expect(defaults("a")).toEqual(["default file"])
        await act((driver) => driver.ensureDirectory({ ...listed("b"), quotas: { inodesSoft: 1024n } }))
        expect(defaults("b")).toEqual(["default block"])
        await act((driver) => driver.ensureDirectory(listed("b")))
        expect(defaults("b")).toBe(null)
      })
    } else {
      test("a kernel or mount without project quotas is refused when the driver is opened", async () => {
        const { failure, programs } = start()
        programs.turnOff()
        const error = await failure((driver) => driver.trashed())
        expect(error).toMatchObject({ _tag: "Refused", detail: expect.stringContaining("prjquota") })
      })

      test("a mount that counts usage without enforcing limits is refused when the driver is opened", async () => {
        // Something is mounted there on every machine.
        const { failure } = start(undefined, "/")
        const error = await failure((driver) => driver.trashed())
        expect(error).toMatchObject({ _tag: "Refused", detail: expect.stringContaining("not enforced") })
      })
    }
  })
}
