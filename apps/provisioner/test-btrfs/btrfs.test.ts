/** The driver `btrfs` on a real btrfs, in a file that is mounted: quotas that the kernel enforces. */
import { execFileSync } from "node:child_process"
import {
  chownSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeSync,
} from "node:fs"
import { constants, tmpdir } from "node:os"
import { Effect } from "effect"
import { describe, expect, onTestFinished, test } from "vitest"
import type { Driver, DriverError } from "../src/drivers/driver.ts"
import { openDriver } from "../src/drivers/open-driver.ts"
import { driverContract, type Subject } from "../test/drivers/contract.ts"

const prefix = `${tmpdir()}/driver-btrfs-`
/** Sparse. btrfs needs some 110 MiB, the tests write less than 100. */
const sizeOfImage = 512 * 1024 * 1024

const run = (program: string, ...args: ReadonlyArray<string>): string =>
  execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] })

/** The loop device goes with the mount. */
const unmount = (folder: string) => {
  run("umount", "--lazy", `${folder}/mount`)
  rmSync(folder, { recursive: true })
}

/** What killed runs left. The name contains the process ID. */
const cleanUp = () => {
  for (const mount of readFileSync("/proc/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" ")[1] ?? "")) {
    if (!mount.startsWith(prefix)) continue
    const isRunning = statSync(`/proc/${mount.slice(prefix.length).split("-")[0]}`, { throwIfNoEntry: false })
    if (isRunning === undefined) unmount(mount.slice(0, -"/mount".length))
  }
}

const mounted = (quotas = true): Subject => {
  cleanUp()
  const folder = mkdtempSync(`${prefix}${process.pid}-`)
  const [image, mount] = [`${folder}/image`, `${folder}/mount`]
  mkdirSync(mount)
  closeSync(openSync(image, "w"))
  truncateSync(image, sizeOfImage)
  run("mkfs.btrfs", "--quiet", image)
  run("mount", "-o", "loop", image, mount)
  if (quotas) run("btrfs", "quota", "enable", mount)
  const root = `${mount}/store`
  mkdirSync(root)
  return {
    root,
    registry: `${folder}/registry`,
    open: openDriver({ type: "btrfs", root, registry: `${folder}/registry` }),
    foreign: (path) => void run("btrfs", "subvolume", "create", path),
    tamper: (path) => void run("btrfs", "qgroup", "limit", "12345678", path),
    close: () => unmount(folder),
  }
}

driverContract("btrfs", async () => mounted())

describe("btrfs", () => {
  const mebibyte = 1024 * 1024
  const itemId = "00000000-0000-4000-8000-999999999999"
  const onBtrfs = (quotas?: boolean) => {
    const subject = mounted(quotas)
    onTestFinished(() => subject.close())
    const act = <A>(work: (driver: Driver) => Effect.Effect<A, DriverError>): Promise<A> =>
      Effect.runPromise(Effect.scoped(Effect.flatMap(subject.open, work)))
    return { ...subject, act }
  }
  /** Appends and syncs whole mebibytes; returns `written`, or the error. */
  const fill = (path: string, count: number): string => {
    try {
      const file = openSync(path, "as")
      try {
        for (let written = 0; written < count; written++) writeSync(file, Buffer.alloc(mebibyte, written + 1))
      } finally {
        closeSync(file)
      }
      return "written"
    } catch (error) {
      // Node has no name for this one.
      const { errno = 0, code } = error as NodeJS.ErrnoException
      return -errno === constants.errno.EDQUOT ? "EDQUOT" : String(code)
    }
  }

  test("a write past the limit fails with EDQUOT, also in the trash; it succeeds after the limit was raised, fails after it was lowered below what is used, and succeeds after it was raised again", async () => {
    const { act, root } = onBtrfs()
    const item = { itemId, path: `${root}/cscs/a` }
    const limit = (count: number) => ({ spaceHard: BigInt(count * mebibyte), spaceSoft: BigInt(count * mebibyte) })
    await act((driver) => driver.ensureDirectory({ ...item, gid: 31_001, mode: 0o2770, quotas: limit(16) }))
    expect(fill(`${item.path}/data`, 8)).toBe("written")
    expect(fill(`${item.path}/data`, 16)).toBe("EDQUOT")
    expect(statSync(`${item.path}/data`)).toMatchObject({ gid: 31_001 })

    expect(await act((driver) => driver.ensureQuota(item, limit(64)))).toBe("changed")
    expect(fill(`${item.path}/data`, 16)).toBe("written")
    const used = await act((driver) => driver.usage(item))
    expect(used.bytes).toBeGreaterThan(BigInt(20 * mebibyte))
    expect(used.quotas).toEqual({ spaceHard: BigInt(64 * mebibyte) })

    expect(await act((driver) => driver.ensureQuota(item, limit(8)))).toBe("changed")
    expect(fill(`${item.path}/more`, 1)).toBe("EDQUOT")

    await act((driver) => driver.trash(item, "order-1"))
    expect(fill(`${root}/.cscs-trash/${readTrash(root)}/more`, 1)).toBe("EDQUOT")
    await act((driver) => driver.restore(item))
    expect(statSync(item.path)).toMatchObject({ uid: 0, gid: 31_001 })
    expect(fill(`${item.path}/more`, 1)).toBe("EDQUOT")

    expect(await act((driver) => driver.ensureQuota(item, limit(64)))).toBe("changed")
    expect(fill(`${item.path}/more`, 1)).toBe("written")
  })

  test("the limit of a directory can be changed while the one above it, another item's, is over its own", async () => {
    const { act, root } = onBtrfs()
    const limit = (count: number) => ({ spaceHard: BigInt(count * mebibyte) })
    const outer = { itemId, path: `${root}/a`, gid: 31_001, mode: 0o2770, quotas: limit(64) }
    const inner = { ...outer, itemId: "00000000-0000-4000-8000-888888888888", path: `${root}/a/b` }
    await act((driver) => driver.ensureDirectory(outer))
    await act((driver) => driver.ensureDirectory(inner))
    expect(fill(`${outer.path}/data`, 16)).toBe("written")
    expect(await act((driver) => driver.ensureQuota(outer, limit(8)))).toBe("changed")
    expect(await act((driver) => driver.ensureQuota(inner, limit(32)))).toBe("changed")
  })

  test("a limit of a subvolume of another btrfs that is mounted below the root never becomes that of an item with the same ID", async () => {
    const { act, root } = onBtrfs()
    const other = mounted()
    onTestFinished(() => other.close())
    const limit = (count: number) => ({ spaceHard: BigInt(count * mebibyte) })
    const item = { itemId, path: `${root}/a`, gid: 31_001, mode: 0o2770, quotas: limit(64) }
    await act((driver) => driver.ensureDirectory(item))
    const theirs = { ...item, itemId: "00000000-0000-4000-8000-888888888888", path: `${root}/b` }
    run("btrfs", "subvolume", "create", `${other.root}/b`)
    chownSync(`${other.root}/b`, 0, 31_001)
    mkdirSync(theirs.path)
    run("mount", "--bind", `${other.root}/b`, theirs.path)
    onTestFinished(() => void run("umount", "--lazy", theirs.path))
    await act((driver) => driver.adopt(theirs))
    const quotasAt = async ({ path, itemId }: typeof item) =>
      (await act((driver) => driver.readBack({ path, itemId })))?.quotas
    expect(await act((driver) => driver.ensureQuota(theirs, limit(32)))).toBe("changed")
    expect(fill(`${theirs.path}/data`, 16)).toBe("written")
    await act((driver) => driver.ensureQuota(theirs, limit(8)))
    await expect(act((driver) => driver.ensureQuota(theirs, limit(16)))).rejects.toThrow(/quota exceeded/i)
    expect([await quotasAt(item), await quotasAt(theirs)]).toEqual([limit(64), limit(8)])
  })

  test("a directory's mark identifies its item after the registry was lost", async () => {
    const { act, root, registry } = onBtrfs()
    const item = { itemId, path: `${root}/a` }
    await act((driver) => driver.ensureDirectory({ ...item, gid: 31_001, mode: 0o2770, quotas: null }))
    rmSync(registry)
    const { whereabouts } = await act((driver) => driver.look(item, true))
    expect(whereabouts).toEqual({ at: "path", path: item.path })
    expect(await act((driver) => driver.ensureDirectory({ ...item, gid: 31_001, mode: 0o2770, quotas: null }))).toBe(
      "unchanged",
    )
  })

  test("a subvolume of another program is adopted with the limit that it has; a plain directory, and one of another group, is not", async () => {
    const { act, root } = onBtrfs()
    const listed = (name: string) => ({ itemId, path: `${root}/${name}`, gid: 31_001, mode: 0o2770, quotas: null })
    const adopted = listed("adopted")
    run("btrfs", "subvolume", "create", adopted.path)
    run("btrfs", "qgroup", "limit", String(16 * mebibyte), adopted.path)
    mkdirSync(`${root}/plain`)
    const failure = (work: (driver: Driver) => Effect.Effect<unknown, DriverError>) =>
      act((driver) => Effect.flip(work(driver)) as Effect.Effect<DriverError>)
    expect(await failure((driver) => driver.adopt(adopted))).toMatchObject({ _tag: "Conflict" })
    for (const path of [adopted.path, `${root}/plain`]) chownSync(path, 0, 31_001)
    for (const step of ["adoptable", "adopt"] as const)
      expect(await failure((driver) => driver[step](listed("plain")))).toMatchObject({
        _tag: "Conflict",
        detail: "it is a plain directory",
      })
    expect(await act((driver) => driver.adopt(adopted))).toBe("changed")
    expect(await act((driver) => driver.adopt(adopted))).toBe("unchanged")
    expect((await act((driver) => driver.usage(adopted))).quotas).toEqual({ spaceHard: BigInt(16 * mebibyte) })
    expect(fill(`${adopted.path}/data`, 20)).toBe("EDQUOT")
    expect(await act((driver) => driver.ensureQuota(adopted, { spaceHard: BigInt(64 * mebibyte) }))).toBe("changed")
    expect(fill(`${adopted.path}/data`, 8)).toBe("written")
    await act((driver) => driver.trash(adopted, "order-1"))
    await act((driver) => driver.restore(adopted))
    expect(statSync(`${adopted.path}/data`).size).toBeGreaterThan(8 * mebibyte)
  })

  test("a directory with the mark of another item is not removed, whatever the registry contains", async () => {
    const { act, root } = onBtrfs()
    const item = { itemId, path: `${root}/a` }
    await act((driver) => driver.ensureDirectory({ ...item, gid: 31_001, mode: 0o2770, quotas: null }))
    run("setfattr", "-n", "trusted.cscs.item-id", "-v", "another", item.path)
    const error = await act((driver) => Effect.flip(driver.trash(item, "order-1")) as Effect.Effect<DriverError>)
    expect(error._tag).toBe("Conflict")
    expect(statSync(item.path).isDirectory()).toBe(true)
  })

  test("a plain directory in place of the subvolume, and a file system without quotas, are reported", async () => {
    const { act, root } = onBtrfs(false)
    const listed = { itemId, path: `${root}/a`, gid: 31_001, mode: 0o2770, quotas: { spaceHard: 10n ** 9n } }
    const error = await act((driver) => Effect.flip(driver.ensureDirectory(listed)) as Effect.Effect<DriverError>)
    expect(error).toMatchObject({ _tag: "Refused", detail: expect.stringContaining("btrfs quota enable") })
    mkdirSync(`${root}/.new-b`)
    const other = { ...listed, itemId: "b", path: `${root}/b` }
    const plain = await act((driver) => Effect.flip(driver.ensureDirectory(other)) as Effect.Effect<DriverError>)
    expect(plain._tag).toBe("Conflict")
  })

  const readTrash = (root: string) => run("ls", `${root}/.cscs-trash`).trim()
})
