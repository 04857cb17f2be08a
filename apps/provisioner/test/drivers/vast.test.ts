/** `vast` with a mock of its REST API, and local directories in place of the mount. */
import { chmodSync, chownSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { type MockResponse, startVast, type Vast } from "@cscs/sandbox"
import { Effect, Fiber, Redacted } from "effect"
import { describe, expect, onTestFinished, test } from "vitest"
import type { Driver, DriverError, Listed } from "../../src/drivers/driver.ts"
import { openDriver } from "../../src/drivers/open-driver.ts"
import type { VastSettings } from "../../src/drivers/vast.ts"
import { driverContract, group, type Subject } from "./contract.ts"

const prepared = async (settings: Partial<VastSettings> = {}): Promise<Subject & { readonly vast: Vast }> => {
  const folder = realpathSync(mkdtempSync(`${tmpdir()}/driver-`))
  const [root, registry] = [`${folder}/root`, `${folder}/registry`]
  mkdirSync(root, { mode: 0o755 })
  const vast = await startVast()
  const login = { token: Redacted.make(vast.token) }
  return {
    root,
    registry,
    vast,
    open: openDriver({ type: "vast", root, registry, apiUrl: vast.url, login, exportedAs: "/store", ...settings }),
    tamper: (path) => {
      for (const quota of vast.quotas.values())
        if (quota.path === `/store${path.slice(root.length)}`) Object.assign(quota, { hard_limit: 5, soft_limit: 4 })
    },
    close: async () => {
      await vast.close()
      rmSync(folder, { recursive: true })
    },
  }
}

driverContract("vast", prepared)

describe("quotas of VAST", () => {
  const start = async (settings?: (vast: Vast) => Partial<VastSettings>) => {
    const subject = await prepared()
    onTestFinished(() => subject.close())
    const { root, registry, vast } = subject
    const login = { token: Redacted.make(vast.token) }
    const open = openDriver({ type: "vast", root, registry, apiUrl: vast.url, login, ...settings?.(vast) })
    const act = <A>(work: (driver: Driver) => Effect.Effect<A, DriverError>): Promise<A> =>
      Effect.runPromise(Effect.scoped(Effect.flatMap(open, work)))
    const failure = (work: (driver: Driver) => Effect.Effect<unknown, DriverError>) =>
      Effect.runPromise(Effect.flip(Effect.scoped(Effect.flatMap(open, work))))
    const tera = 10n ** 12n
    const listed = (name: string): Listed => ({
      itemId: `item-${name}`,
      path: `${root}/${name}`,
      gid: group,
      mode: 0o2770,
      quotas: { spaceSoft: tera, spaceHard: tera, inodesSoft: 1000n, inodesHard: 2000n },
    })
    const quota = () => [...vast.quotas.values()][0]
    return { root, registry, vast, act, failure, listed, quota }
  }

  test("limits are sent in bytes, the directory is made before its quota, and a soft limit equal to the hard one is omitted", async () => {
    const { act, listed, quota, vast } = await start()
    await act((driver) => driver.ensureDirectory(listed("a")))
    const limits = { hard_limit: 1e12, soft_limit: null, hard_limit_inodes: 2000, soft_limit_inodes: 1000 }
    expect(quota()).toMatchObject({ name: "cscs-item-a", path: listed("a").path, ...limits })
    expect([vast.alarms, vast.madeDirectories]).toEqual([[], []])
    expect(await act((driver) => driver.ensureDirectory(listed("a")))).toBe("unchanged")
    const observed = await act((driver) => driver.readBack(listed("a")))
    expect(await act((driver) => Effect.succeed(observed && driver.differences(listed("a"), observed)))).toEqual([])
  })

  test("a sibling path with the same beginning or end has a quota of its own, even if VAST ignores the filter", async () => {
    const { act, listed, vast } = await start()
    for (const name of ["a", "aa", "a-b"]) await act((driver) => driver.ensureDirectory(listed(name)))
    vast.ignoresPath = true
    await act((driver) => driver.ensureQuota(listed("a"), { spaceHard: 5n * 10n ** 12n }))
    expect([...vast.quotas.values()].map((one) => one.hard_limit)).toEqual(
      [5e12, 1e12, 1e12].map((limit) => limit - (limit % 1024)),
    )
  })

  test("a quota that another program created at the path is a conflict, and is not changed", async () => {
    const { act, failure, listed, quota } = await start()
    await act((driver) => driver.ensureDirectory(listed("a")))
    Object.assign(quota() ?? {}, { name: "by hand" })
    expect((await failure((driver) => driver.ensureQuota(listed("a"), { spaceHard: 1024n })))._tag).toBe("Conflict")
    expect((await failure((driver) => driver.trash(listed("a"), "order")))._tag).toBe("Conflict")
    expect(quota()?.hard_limit).toBe(1e12)
  })

  test("a directory is adopted without a quota, or with one that has the driver's name; not with that of another program", async () => {
    const { act, failure, listed, vast, quota } = await start()
    const [one, other] = [listed("a"), listed("b")]
    for (const { path } of [one, other]) {
      mkdirSync(path)
      chownSync(path, -1, group)
    }
    expect(await act((driver) => driver.adopt(one))).toBe("changed")
    expect(vast.quotas.size).toBe(0)
    expect(await act((driver) => driver.ensureDirectory(one))).toBe("changed")
    expect(quota()).toMatchObject({ path: one.path, hard_limit: 1e12 })

    const theirs = {
      tenant_id: 1,
      soft_limit: null,
      hard_limit: 9e12,
      soft_limit_inodes: null,
      hard_limit_inodes: null,
    }
    const used = { used_effective_capacity: 0, used_inodes: 0 }
    vast.quotas.set(99, { id: 99, name: "by hand", path: other.path, ...theirs, ...used })
    for (const step of ["adoptable", "adopt"] as const)
      expect(await failure((driver) => driver[step](other))).toMatchObject({
        _tag: "Conflict",
        detail: expect.stringContaining("by hand"),
      })
    expect((await act((driver) => driver.readBack(other)))?.itemId).toBe(null)
    Object.assign(vast.quotas.get(99) ?? {}, { name: `cscs-${other.itemId}` })
    expect(await act((driver) => driver.adopt(other))).toBe("changed")
    expect(vast.quotas.get(99)?.hard_limit).toBe(9e12)
  })

  test("a directory whose quota could not be created stays closed to its group until the next cycle", async () => {
    const { act, failure, listed, vast } = await start()
    vast.faults.set("vast", { method: "POST", status: 503, times: 1 })
    expect((await failure((driver) => driver.ensureDirectory(listed("a"))))._tag).toBe("UnknownOutcome")
    expect(lstatSync(listed("a").path).mode & 0o077).toBe(0)
    expect(await act((driver) => driver.ensureDirectory(listed("a")))).toBe("changed")
    expect(lstatSync(listed("a").path).mode & 0o7777).toBe(0o2770)
  })

  test("a lost response to a creation is an unknown outcome; the next cycle finds the quota and creates no second one", async () => {
    const { act, failure, listed, vast } = await start()
    vast.faults.set("vast", { method: "POST", truncate: true, times: 1 })
    expect((await failure((driver) => driver.ensureDirectory(listed("a"))))._tag).toBe("UnknownOutcome")
    await act((driver) => driver.ensureDirectory(listed("a")))
    expect(vast.quotas.size).toBe(1)
  })

  test.each([
    ["401", { status: 401 }, "Refused"],
    ["403", { status: 403 }, "Refused"],
    ["302", { status: 302 }, "Refused"],
    ["405", { status: 405 }, "Refused"],
    ["413", { status: 413 }, "Refused"],
    ["422", { status: 422 }, "Refused"],
    ["400", { status: 400 }, "Conflict"],
    ["408", { status: 408 }, "UnknownOutcome"],
    ["429", { status: 429 }, "UnknownOutcome"],
    ["500", { status: 500 }, "UnknownOutcome"],
    ["a reset connection", { reset: true }, "UnknownOutcome"],
  ])("a change that fails with %s is never taken for success", async (_, fault, tag) => {
    const { act, failure, listed, vast } = await start()
    await act((driver) => driver.ensureDirectory(listed("a")))
    vast.faults.set("vast", { method: "PATCH", times: 1, ...fault })
    const error = await failure((driver) => driver.ensureQuota(listed("a"), { spaceHard: 2n * 10n ** 12n }))
    expect(error._tag).toBe(tag)
    expect(error.message).not.toContain(vast.token)
  })

  test.each([
    ["the first of several pages", "Refused", { next: "https://vms.example.org/api/v5/quotas/?page=2" }, {}],
    ["an amount that is not a whole number", "UnknownOutcome", { next: null }, { hard_limit: 1.5 }],
  ])("a list of quotas with %s is an error, not a directory without a quota", async (_, tag, page, limits) => {
    const { act, failure, listed, vast, quota } = await start()
    await act((driver) => driver.ensureDirectory(listed("a")))
    const others = { ...quota(), path: "/elsewhere", ...limits }
    vast.faults.set("vast", { method: "GET", body: { json: { results: [others], ...page } } })
    expect((await failure((driver) => driver.readBack(listed("a"))))._tag).toBe(tag)
    expect((await failure((driver) => driver.trash(listed("a"), "order")))._tag).toBe(tag)
    expect(vast.quotas.size).toBe(1)
  })

  test("a list of quotas on one page is read", async () => {
    const { act, listed, vast, quota } = await start()
    await act((driver) => driver.ensureDirectory(listed("a")))
    vast.faults.set("vast", { method: "GET", body: { json: { results: [{ ...quota() }], next: null } } })
    expect((await act((driver) => driver.readBack(listed("a"))))?.quotas.spaceHard).toBe(10n ** 12n)
  })

  test("a change that VAST accepts but does not make is a conflict", async () => {
    const { act, failure, listed, vast } = await start()
    await act((driver) => driver.ensureDirectory(listed("a")))
    vast.faults.set("vast", { method: "PATCH", status: 200, times: 1 })
    expect((await failure((driver) => driver.ensureQuota(listed("a"), { spaceHard: 2048n })))._tag).toBe("Conflict")
  })

  /** The directory `a` with quotas, its data, and the step that moves it to `b`, where it is listed without quotas. */
  const moving = async () => {
    const started = await start()
    const { act, listed } = started
    const [from, to] = [listed("a"), { ...listed("a"), path: listed("b").path, quotas: null }]
    await act((driver) => driver.ensureDirectory(from))
    const differences = (entry: Listed) =>
      act((driver) =>
        Effect.map(driver.readBack(entry), (observed) =>
          observed === null ? null : driver.differences(entry, observed),
        ),
      )
    const move = (driver: Driver) => driver.move(to, from.path)
    return { ...started, from, to, differences, move }
  }

  test.each([
    ["the name is taken", (_: Vast, to: string) => mkdirSync(to), "Conflict"],
    [
      "VAST deletes the quota, but responds with 503",
      (vast: Vast) => {
        const rewrite = (response: MockResponse) => ({ ...response, status: 503, body: new Uint8Array() })
        vast.faults.set("vast", { method: "DELETE", times: 1, rewrite })
      },
      "UnknownOutcome",
    ],
  ])("a move that fails because %s leaves the directory with its quota", async (_, provoke, tag) => {
    const { act, failure, vast, quota, from, to, differences, move } = await moving()
    provoke(vast, to.path)
    expect((await failure(move))._tag).toBe(tag)
    expect(quota()).toMatchObject({ path: from.path, hard_limit: 1e12, hard_limit_inodes: 2000 })
    const listed = { ...from, quotas: null }
    await act((driver) => driver.ensureDirectory(listed))
    expect(await differences(listed)).toEqual([])
  })

  test("a quota that VAST deletes only after the move has failed with 504 is set again, whether or not the move is repeated", async () => {
    for (const isRepeated of [true, false]) {
      const { act, failure, vast, quota, from, to, differences, move } = await moving()
      vast.faults.set("vast", { method: "DELETE", status: 504, times: 1 })
      expect((await failure(move))._tag).toBe("UnknownOutcome")
      vast.quotas.clear()
      if (isRepeated) await act(move)
      const listed = isRepeated ? to : { ...from, quotas: null }
      expect(await differences(listed)).toContain("spaceHard unlimited, not 1000000000000")
      await act((driver) => driver.ensureDirectory(listed))
      expect(quota()).toMatchObject({ path: listed.path, hard_limit: 1e12, hard_limit_inodes: 2000 })
      expect(await differences(listed)).toEqual([])
    }
  })

  test("a quota that could not be set again after a failed move is a difference until it is set", async () => {
    const { act, failure, vast, quota, from, to, differences, move } = await moving()
    mkdirSync(to.path)
    vast.faults.set("vast", { method: "POST", status: 503, times: 1 })
    expect((await failure(move))._tag).toBe("Conflict")
    expect(quota()).toBeUndefined()
    const listed = { ...from, quotas: null }
    expect(await differences(listed)).toContain("spaceHard unlimited, not 1000000000000")
    expect(await act((driver) => driver.ensureDirectory(listed))).toBe("changed")
    expect(quota()).toMatchObject({ path: from.path, hard_limit: 1e12, hard_limit_inodes: 2000 })
    expect(await differences(listed)).toEqual([])
  })

  test("a quota that a later request or a person has removed does not come back after a move was completed", async () => {
    const { act, vast, to, differences, move } = await moving()
    await act(move)
    await act((driver) => driver.ensureDirectory(to))
    vast.quotas.clear()
    expect(await differences(to)).toEqual([])
  })

  test("a quota that was set after a move, but with a lost response, does not come back once a person has removed it", async () => {
    const { act, failure, vast, quota, to, differences, move } = await moving()
    await act(move)
    vast.faults.set("vast", { method: "POST", truncate: true, times: 1 })
    expect((await failure((driver) => driver.ensureDirectory(to)))._tag).toBe("UnknownOutcome")
    expect(quota()).toMatchObject({ path: to.path, hard_limit: 1e12 })
    expect(await differences(to)).toEqual(["quotas still remembered from a rename"])
    await act((driver) => driver.ensureDirectory(to))
    expect(await differences(to)).toEqual([])
    vast.quotas.clear()
    expect(await differences(to)).toEqual([])
  })

  test("limits that a person sets before those of a move are set again count in place of them", async () => {
    const { act, vast, quota, to, differences, move } = await moving()
    await act((driver) =>
      driver.ensureQuota({ ...to, path: quota()?.path ?? "" }, { spaceHard: 2n * 10n ** 12n, spaceSoft: 10n ** 12n }),
    )
    await act(move)
    const theirs = { soft_limit: null, hard_limit: 5e11, soft_limit_inodes: null, hard_limit_inodes: null }
    const about = { path: to.path, tenant_id: 1, used_effective_capacity: 0, used_inodes: 0 }
    vast.quotas.set(99, { id: 99, name: `cscs-${to.itemId}`, ...about, ...theirs })
    await act((driver) => driver.ensureDirectory(to))
    expect(vast.quotas.get(99)).toMatchObject(theirs)
    expect(await differences(to)).toEqual([])
    const again = { ...to, path: `${to.path}-again` }
    await act((driver) => driver.move(again, to.path))
    await act((driver) => driver.ensureDirectory(again))
    expect(quota()).toMatchObject({ path: again.path, ...theirs })
  })

  test("a quota that a lost request has left at a path does not count for the directory that is moved or restored there", async () => {
    const { act, failure, vast, from, to, differences, move } = await moving()
    const left = (name: string, path: string) => {
      const limits = { soft_limit: null, hard_limit: 9e12, soft_limit_inodes: null, hard_limit_inodes: null }
      const about = { tenant_id: 1, used_effective_capacity: 0, used_inodes: 0 }
      vast.quotas.set(99, { id: 99, name, path, ...limits, ...about })
    }
    const isKept = async () => {
      await act((driver) => driver.ensureDirectory(to))
      const all = [...vast.quotas.values()]
      expect(all.map((one) => [one.path, one.hard_limit, one.hard_limit_inodes])).toEqual([[to.path, 1e12, 2000]])
      expect(await differences(to)).toEqual([])
    }
    left(`cscs-${to.itemId}`, to.path)
    await act(move)
    await isKept()
    await act((driver) => driver.trash(to, "order"))
    left(`cscs-${to.itemId}`, to.path)
    await act((driver) => driver.restore(to))
    await isKept()
    left("by hand", from.path)
    expect((await failure((driver) => driver.move(from, to.path)))._tag).toBe("Conflict")
    vast.quotas.delete(99)
    await isKept()
  })

  test("what is remembered of a removed directory counts neither for another at its path, nor for one that is made or adopted later", async () => {
    const { root, act, from, quota, differences } = await moving()
    await act((driver) => driver.trash(from, "order"))
    const listed = { ...from, quotas: null }
    mkdirSync(from.path, { mode: 0o770 })
    chownSync(from.path, process.geteuid?.() ?? 0, group)
    chmodSync(from.path, listed.mode)
    expect(await differences(listed)).toEqual([])
    for (const name of readdirSync(`${root}/.cscs-trash`)) rmSync(`${root}/.cscs-trash/${name}`, { recursive: true })
    expect(await act((driver) => driver.adopt(listed))).toBe("changed")
    expect(await differences(listed)).toEqual([])

    await act((driver) => driver.ensureDirectory(from))
    await act((driver) => driver.trash(from, "order"))
    for (const name of readdirSync(`${root}/.cscs-trash`)) rmSync(`${root}/.cscs-trash/${name}`, { recursive: true })
    await act((driver) => driver.ensureDirectory({ ...from, quotas: { spaceHard: 5n * 10n ** 11n } }))
    expect(quota()).toMatchObject({ hard_limit: 5e11, hard_limit_inodes: null })
  })

  test("quotas that the driver `directory` has recorded are set as VAST can store them", async () => {
    const { root, registry, act, listed, quota } = await start()
    const odd = { ...listed("a"), quotas: { spaceHard: 2n ** 53n + 1n, inodesHard: 2000n } }
    const directory = openDriver({ type: "directory", root, registry })
    await Effect.runPromise(Effect.scoped(Effect.flatMap(directory, (driver) => driver.ensureDirectory(odd))))
    expect(await act((driver) => driver.ensureDirectory({ ...odd, quotas: null }))).toBe("changed")
    expect(quota()).toMatchObject({ hard_limit: 2 ** 53, hard_limit_inodes: 2000 })
  })

  test("a move that is killed after the quota was deleted is completed by the next cycle, with the quota", async () => {
    const { act, vast, quota, to, move, differences } = await moving()
    vast.faults.set("vast", { method: "DELETE", truncate: true, times: 1 })
    await act((driver) =>
      Effect.gen(function* () {
        const fiber = yield* Effect.forkChild(move(driver))
        while (vast.quotas.size > 0) yield* Effect.yieldNow
        yield* Fiber.interrupt(fiber)
      }),
    )
    expect(quota()).toBeUndefined()
    await act(move)
    expect(await differences(to)).not.toEqual([])
    await act((driver) => driver.ensureDirectory(to))
    expect(quota()).toMatchObject({ path: to.path, hard_limit: 1e12, hard_limit_inodes: 2000 })
    expect(await differences(to)).toEqual([])
  })

  test("a user with a password can log in instead of a token, and a wrong password is refused without being shown", async () => {
    const login = (password: string) => (vast: Vast) => ({
      login: { user: vast.user, password: Redacted.make(password) },
    })
    const right = await start(login("vast-password-0123456789"))
    expect(await right.act((driver) => driver.ensureDirectory(right.listed("a")))).toBe("made")
    const wrong = await start(login("another-password"))
    const error = await wrong.failure((driver) => driver.ensureDirectory(wrong.listed("a")))
    expect(error._tag).toBe("Refused")
    expect(error.message).not.toContain("another-password")
  })

  test("quotas of one tenant are not those of another with the same path", async () => {
    const { act, listed, vast } = await start(() => ({ tenantId: 7 }))
    const theirs = {
      name: "theirs",
      tenant_id: 8,
      soft_limit: null,
      hard_limit: 9,
      soft_limit_inodes: null,
      hard_limit_inodes: null,
    }
    vast.quotas.set(99, { id: 99, path: listed("a").path, ...theirs, used_effective_capacity: 0, used_inodes: 0 })
    await act((driver) => driver.ensureDirectory(listed("a")))
    expect([...vast.quotas.values()].map((one) => [one.tenant_id, one.hard_limit])).toEqual([
      [8, 9],
      [7, 1e12],
    ])
  })
})
