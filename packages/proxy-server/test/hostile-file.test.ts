import { execFileSync } from "node:child_process"
import { chmod, chown, lstat, mkdir, open, readdir, readFile, symlink, truncate, writeFile } from "node:fs/promises"
import { createServer } from "node:net"
import { join } from "node:path"
import { gunzipSync, gzipSync } from "node:zlib"
import { startSandbox } from "@cscs/sandbox"
import { Effect, Result } from "effect"
import fc from "fast-check"
import { describe, expect, onTestFinished, test } from "vitest"
import { readSnapshotFile, setAside, writeSnapshotFile } from "../src/persistence/snapshot-file.ts"
import { chunkText, headerText, storedReader } from "../src/persistence/stored-snapshot.ts"
import { chunkOf, entryTable } from "../src/snapshot/entry-table.ts"
import type { TimedSnapshot } from "../src/snapshot/snapshot.ts"
import { type Any, aDirectory, startProxy } from "./a-proxy.ts"
import { answersOf, aSnapshot, type Made, testModel } from "./a-snapshot.ts"
import { aWorld } from "./a-world.ts"

const ours = "ours"
const run = <A, E>(effect: Effect.Effect<A, E>): Promise<Result.Result<A, E>> =>
  Effect.runPromise(Effect.result(effect))
const write = (path: string, taken: TimedSnapshot) => run(writeSnapshotFile(path, ours, taken))
const read = (path: string) => run(readSnapshotFile(path, ours, testModel))
const messageOf = (result: Result.Result<unknown, Error>): string =>
  Result.isFailure(result) ? result.failure.message : "it succeeded"

const aPath = async () => join(await aDirectory(), "kept")

const made: Made = {
  itemId: "climate",
  mountPoint: "/capstor/store/cscs/physics/climate",
  targetType: "project",
  offeringSlug: "capstor",
  dataType: "store",
  status: "active",
  states: ["OK"],
}
const tenant: Made = { ...made, itemId: "tenant", mountPoint: "/capstor/store/cscs", targetType: "tenant" }
const takenOf = (entries: ReadonlyArray<Made>, more = {}): TimedSnapshot => ({
  snapshot: aSnapshot([entries], { gids: new Map([["climate", 40_001]]), ...more }),
  readStartedAt: 1_700_000_000_000,
  readEndedAt: 1_700_000_000_123,
  changedAt: 1_600_000_000_000,
})
const good = takenOf([tenant, made])

/** Each puts something at a path that is not our file, and returns that path and the expected word. */
const notOurs: ReadonlyArray<readonly [string, RegExp, (path: string) => Promise<string>]> = [
  [
    "a FIFO",
    /a FIFO/,
    async (path) => {
      execFileSync("mkfifo", [path])
      return path
    },
  ],
  ["a device", /a device/, async () => "/dev/null"],
  [
    "a socket",
    /a socket/,
    async (path) => {
      const server = createServer().listen(path)
      await new Promise((resolve) => server.once("listening", resolve))
      onTestFinished(() => void server.close())
      return path
    },
  ],
  [
    "a directory",
    /a directory/,
    async (path) => {
      await mkdir(path)
      return path
    },
  ],
  [
    "a link to a good file of ours",
    /symbolic link/,
    async (path) => {
      await write(`${path}.elsewhere`, good)
      await symlink(`${path}.elsewhere`, path)
      return path
    },
  ],
  [
    "a link to nowhere",
    /symbolic link/,
    async (path) => {
      await symlink("nowhere", path)
      return path
    },
  ],
  [
    "another user's file",
    /belongs to user/,
    async (path) => {
      // Only root can give a file away; for other users there is always one of root's.
      if (process.geteuid?.() !== 0) return "/etc/passwd"
      await write(path, good)
      await chown(path, 65_534, 65_534)
      return path
    },
  ],
  ...[0o620, 0o602, 0o666].map(
    (mode) =>
      [
        `a file of ours that others may write (${mode.toString(8)})`,
        /others may write/,
        async (path: string) => {
          await write(path, good)
          await chmod(path, mode)
          return path
        },
      ] as const,
  ),
]

describe("a path that is not our file", () => {
  test.each(notOurs)("is neither read nor replaced nor moved: %s", async (_, word, put) => {
    const path = await put(await aPath())
    const before = await lstat(path)
    const results: ReadonlyArray<Result.Result<unknown, Error>> = [
      await read(path),
      await write(path, good),
      await run(setAside(path)),
    ]
    for (const result of results) {
      expect(Result.isFailure(result) && result.failure).toMatchObject({ _tag: "SnapshotFileError", path })
      expect(messageOf(result)).toMatch(word)
      // The message names the remedy.
      expect(messageOf(result)).toMatch(/remove it/)
    }
    const after = await lstat(path)
    expect([after.ino, after.mode, after.size, after.mtimeMs]).toEqual([
      before.ino,
      before.mode,
      before.size,
      before.mtimeMs,
    ])
  })

  test.each(notOurs.filter(([name]) => !/device|another user/.test(name)))(
    "is not removed in place of an unfinished file: %s",
    async (_, word, put) => {
      const path = await aPath()
      await write(path, good)
      await put(`${path}.tmp`)
      expect(messageOf(await write(path, takenOf([tenant])))).toMatch(word)
      expect(Result.getOrThrow(await read(path))).toBeDefined()
      expect((await readdir(join(path, ".."))).includes("kept.tmp")).toBe(true)
    },
  )

  test("is not replaced when a damaged file is set aside", async () => {
    const path = await aPath()
    await writeFile(path, "damaged", { mode: 0o600 })
    await writeFile(`${path}.elsewhere`, "of another use")
    await symlink(`${path}.elsewhere`, `${path}.damaged`)
    expect(messageOf(await run(setAside(path)))).toMatch(/symbolic link/)
    expect(await readFile(path, "utf8")).toBe("damaged")
  })

  test.each(notOurs.filter(([name]) => !/device|another user/.test(name)))(
    "does not block a start, and is reported with its remedy in the log, by readiness and by check: %s",
    async (_, word, put) => {
      const path = await put(await aPath())
      const proxy = await startProxy({ world: aWorld(6), environment: { CACHE_PATH: path } })
      try {
        expect((await proxy.list()).status).toBe(200)
        const reported = proxy.logs.filter((line) => line.includes('"event":"snapshot-not-kept"')).join("\n")
        expect(reported).toMatch(word)
        const { json } = await proxy.ready()
        expect(json.warnings.join("\n")).toMatch(word)
        expect(json.warnings.join("\n")).toMatch(/remove it/)
        const results = await proxy.check()
        expect(results.find(({ name }) => name === "cache.path")).toMatchObject({
          ok: false,
          detail: expect.stringMatching(word),
          advice: expect.any(String),
        })
      } finally {
        await proxy.close()
      }
    },
  )

  test("in a directory that others may write is reported, and the list is kept", async () => {
    const path = await aPath()
    const directory = join(path, "..")
    await chmod(directory, 0o777)
    const proxy = await startProxy({ world: aWorld(6), environment: { CACHE_PATH: path } })
    try {
      expect((await proxy.list()).status).toBe(200)
      expect(proxy.logs.join("\n")).toContain(`chmod go-w ${directory}`)
      const found = async () => (await proxy.check()).find(({ name }) => name === "cache.path")
      expect(await found()).toMatchObject({ ok: true, detail: expect.stringContaining(`chmod go-w ${directory}`) })
      // As /tmp is: others cannot remove our file.
      await chmod(directory, 0o1777)
      expect((await found())?.detail).not.toContain("chmod")
    } finally {
      await proxy.close()
      await chmod(directory, 0o700)
    }
  })
})

/** Bytes that unpack to many times their size: gzip members, one after the other. */
const bomb = (start: string, filling: Buffer, times: number): Buffer => {
  const member = gzipSync(filling, { level: 9 })
  return Buffer.concat([gzipSync(start), ...Array.from({ length: times }, () => member)])
}

describe("a file that is too large", () => {
  const mebibytes = (count: number) => Buffer.alloc(count * 1024 * 1024, "x")
  const first = `${JSON.stringify(["storage-proxy snapshot 1", ours])}\n`

  test.each([
    ["in its first line", "", /a line is longer/],
    ["in its header", first, /a line is longer/],
    ["in a chunk", `${first}${headerText(good)}\n`, /a line is longer/],
  ])("is given up before it is unpacked: %s", async (_, start, word) => {
    const path = await aPath()
    const file = bomb(start, mebibytes(64), 64)
    expect(file.length).toBeLessThan(8 * 1024 * 1024)
    await writeFile(path, file, { mode: 0o600 })
    expect(messageOf(await read(path))).toMatch(word)
  })

  test("in lines or bytes is damaged", async () => {
    const path = await aPath()
    await writeFile(path, gzipSync(`${first}${headerText(good)}\n${"\n".repeat(1_000_000)}`), { mode: 0o600 })
    expect(messageOf(await read(path))).toMatch(/holds no whole snapshot/)
    await write(path, good)
    await truncate(path, 300 * 1024 * 1024)
    expect(messageOf(await read(path))).toMatch(/more than any that we write/)
  })

  test("is not written, and the existing file is unchanged", async () => {
    const path = await aPath()
    await write(path, good)
    const [chunk] = good.snapshot.entries.chunks
    const withChunks = (chunks: ReadonlyArray<Any>): TimedSnapshot => ({
      ...good,
      snapshot: { ...good.snapshot, entries: { ...good.snapshot.entries, chunks } },
    })
    const huge = { ...chunk, bytes: mebibytes(9) }
    const large = { ...chunk, bytes: mebibytes(7) }
    for (const [taken, word] of [
      [withChunks([huge]), /a line/],
      [withChunks(Array.from({ length: 75 }, () => large)), /unpacked/],
      [withChunks(Array.from({ length: 200_001 }, () => chunk)), /chunks/],
    ] as const) {
      const message = messageOf(await write(path, taken))
      expect(message).toMatch(/too large to be read back/)
      expect(message).toMatch(word)
      expect(await readdir(join(path, ".."))).toEqual(["kept"])
    }
    expect(answersOf(Result.getOrThrow(await read(path)) as TimedSnapshot)).toEqual(answersOf(good))
  })
})

/** Writes a snapshot whose only chunk has other parts, with all digests correct. */
const forge = async (path: string, change: (parts: Any) => Any) => {
  const [chunk] = good.snapshot.entries.chunks
  const { bytes, facets, facetsAt, resources } = chunk as Any
  const entries = Buffer.from(bytes).toString()
  const parts = change({
    entries,
    facets: facets.map((one: Any) => ({ ...one, states: [...one.states] })),
    facetsAt: [...facetsAt],
    resources,
  })
  const { digest } = chunkOf({
    bytes: Buffer.from(parts.entries),
    facets: parts.facets.map((one: Any) => ({ ...one, states: new Set(one.states) })),
    facetsAt: Uint8Array.from(parts.facetsAt),
    resources: parts.resources,
  })
  const header = headerText({
    ...good,
    snapshot: { ...good.snapshot, entries: { ...entryTable([]), chunks: [{ digest } as Any] } },
  })
  const lines = [JSON.stringify(["storage-proxy snapshot 1", ours]), header, JSON.stringify(parts)]
  await writeFile(path, gzipSync(`${lines.join("\n")}\n`), { mode: 0o600 })
}

describe("a stored entry that would not be served", () => {
  test("makes the difference: without one the file is accepted", async () => {
    const path = await aPath()
    await forge(path, (parts) => parts)
    expect(answersOf(Result.getOrThrow(await read(path)) as TimedSnapshot)).toEqual(answersOf(good))
  })

  test.each<[string, TimedSnapshot, RegExp]>([
    ["at /etc", takenOf([tenant, { ...made, mountPoint: "/etc" }]), /mountPoint.*\/etc/],
    ["at a path with ..", takenOf([{ ...made, mountPoint: "/capstor/../root" }]), /mountPoint/],
    ["of root's group", takenOf([{ ...made, gid: 0 }]), /targetItem/],
    ["of a group above the largest", takenOf([{ ...made, gid: 2 ** 31 }]), /targetItem/],
    ["with a status of its own", takenOf([{ ...made, status: "gone" }]), /status/],
    ["of another system", takenOf([{ ...made, offeringSlug: "elsewhere" }]), /storage system/],
    ["and a GID of root's group", takenOf([made], { gids: new Map([["climate", 0]]) }), /GID 0 of "climate"/],
    ["and a reserved GID", takenOf([made], { gids: new Map([["climate", 65_534]]) }), /GID 65534/],
    ["and a finding that is too long", takenOf([made], { warnings: [aFinding("x".repeat(2000))] }), /a finding/],
  ])("makes the whole file damaged: %s", async (_, taken, word) => {
    const path = await aPath()
    await write(path, taken)
    expect(messageOf(await read(path))).toMatch(/holds no whole snapshot/)
    expect(messageOf(await read(path))).toMatch(word)
  })

  test.each<[string, (parts: Any) => Any]>([
    [
      "an entry nested 5,000 deep",
      (parts) => ({
        ...parts,
        entries: parts.entries.replace('"active":true}}', `"active":true,"x":${"[".repeat(5000)}${"]".repeat(5000)}}}`),
      }),
    ],
    [
      "a second mount point",
      (parts) => ({
        ...parts,
        entries: parts.entries.replace('"mountPoint":', '"mountPoint":{"default":"/etc"},"mountPoint":'),
      }),
    ],
    ["a facet's number beyond a byte", (parts) => ({ ...parts, facetsAt: [256, 257] })],
    ["a facet that there is not", (parts) => ({ ...parts, facetsAt: [0, 2] })],
    ["a negative facet", (parts) => ({ ...parts, facetsAt: [0, -255] })],
    [
      "another status for filters",
      (parts) => ({ ...parts, facets: parts.facets.map((one: Any) => ({ ...one, status: "error" })) }),
    ],
    [
      "another data type for filters",
      (parts) => ({ ...parts, facets: parts.facets.map((one: Any) => ({ ...one, dataType: "archive" })) }),
    ],
    [
      "another system for filters",
      (parts) => ({ ...parts, facets: parts.facets.map((one: Any) => ({ ...one, offeringSlug: "vast" })) }),
    ],
    [
      "two systems",
      (parts) => ({
        ...parts,
        facets: parts.facets.map((one: Any, at: number) => ({ ...one, offeringSlug: at === 0 ? "capstor" : "vast" })),
      }),
    ],
    ["no resources", (parts) => ({ ...parts, resources: [] })],
    ["an entry without a facet", (parts) => ({ ...parts, facetsAt: [0] })],
    ["a facet without an entry", (parts) => ({ ...parts, facetsAt: [0, 1, 1] })],
    ["an entry without its newline", (parts) => ({ ...parts, entries: parts.entries.trimEnd() })],
    ["an empty line", (parts) => ({ ...parts, entries: `${parts.entries}\n`, facetsAt: [0, 1, 1] })],
    ["no entry", (parts) => ({ ...parts, entries: "", facetsAt: [], resources: [] })],
    [
      "seventeen entries",
      (parts) => ({
        ...parts,
        entries: parts.entries.split("\n")[1].concat("\n").repeat(17),
        facetsAt: Array(17).fill(1),
      }),
    ],
    [
      "a thousand states",
      (parts) => ({
        ...parts,
        facets: parts.facets.map((one: Any) => ({ ...one, states: Array.from({ length: 1000 }, String) })),
      }),
    ],
  ])("makes the whole file damaged even if its digests are right: %s", async (_, change) => {
    const path = await aPath()
    await forge(path, change)
    expect(messageOf(await read(path))).toMatch(/holds no whole snapshot/)
  })

  test("costs the start only the kept list, which is set aside, and that is reported", async () => {
    const path = await aPath()
    const environment = { CACHE_PATH: path }
    const sandbox = await startSandbox({ world: aWorld(6) })
    onTestFinished(() => sandbox.close())
    const first = await startProxy({ sandbox, environment })
    expect((await first.list()).status).toBe(200)
    await first.close()
    const lines = gunzipSync(await readFile(path))
      .toString()
      .split("\n")
    const header = JSON.parse(lines[1] ?? "")
    header.gids = header.gids.map(([name]: Any) => [name, 0])
    await writeFile(path, gzipSync([lines[0], JSON.stringify(header), ...lines.slice(2)].join("\n")))
    sandbox.faults.set("waldur", { status: 403 })
    const proxy = await startProxy({ sandbox, environment })
    try {
      expect((await proxy.list()).status).toBe(502)
      const reported = proxy.logs.filter((line: string) => line.includes('"event":"snapshot-damaged"'))
      expect(reported.join("\n")).toContain("GID 0 of")
      expect((await proxy.ready()).json.warnings.join("\n")).toMatch(/not used: .*GID 0 of .*set aside/)
    } finally {
      await proxy.close()
    }
  })
})

function aFinding(found: unknown): Any {
  return { code: "ignored-value", uuid: null, slug: null, offering_slug: null, field: "f", found, reason: "r" }
}

describe("any stored data", () => {
  const reader = storedReader(testModel)
  const header = headerText(good)
  const [chunk] = good.snapshot.entries.chunks
  const text = chunkText(chunk as Any)
  const digest = chunk?.digest ?? ""

  const someText = fc.oneof(fc.string({ unit: "binary" }), fc.json(), fc.constantFrom("", "null", "{}", "[]", "\u0000"))
  /** A text with a part of it changed. */
  const altered = (whole: string) =>
    fc
      .tuple(fc.nat(whole.length), fc.nat(30), fc.oneof(someText, fc.constantFrom("9", "e9", "\\", '"', "/etc", "-")))
      .map(([at, length, into]) => whole.slice(0, at) + into + whole.slice(at + length))
  /** JSON with the value of one key changed. */
  const changed = (whole: string) =>
    fc
      .tuple(fc.constantFrom(...Object.keys(JSON.parse(whole))), fc.jsonValue())
      .map(([key, value]) => JSON.stringify({ ...JSON.parse(whole), [key]: value }))

  test("is read as a header without throwing, and yields no GID that is not served", () => {
    fc.assert(
      fc.property(fc.oneof(someText, altered(header), changed(header)), (some) => {
        const result = reader.header(some)
        if (Result.isFailure(result)) return
        for (const [, gid] of result.success.gids) expect(gid).toBeGreaterThanOrEqual(1000)
        for (const time of [result.success.readStartedAt, result.success.readEndedAt])
          expect(time).toBeGreaterThanOrEqual(0)
      }),
      { numRuns: 1000 },
    )
  })

  test("is refused as a header with a finding thousands deep, without throwing", () => {
    const deepest = headerText(takenOf([made], { warnings: [aFinding("deep")] })).replace(
      '"deep"',
      `${"[".repeat(100_000)}${"]".repeat(100_000)}`,
    )
    expect(reader.header(deepest)).toMatchObject({ _tag: "Failure", failure: "a finding is not one of ours" })
  })

  test("is read as a chunk without throwing, and is the one that was stored, or none", () => {
    fc.assert(
      fc.property(fc.oneof(someText, altered(text), changed(text)), (some) => {
        const result = reader.chunk(some, digest)
        if (Result.isSuccess(result)) expect(chunkText(result.success)).toBe(text)
      }),
      { numRuns: 1000 },
    )
  })

  test("is read as a file without throwing or hanging, and is the snapshot that was stored, or none", async () => {
    const path = await aPath()
    await write(path, good)
    const whole = gunzipSync(await readFile(path)).toString()
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }).map((some) => Buffer.from(some)),
      fc.oneof(altered(whole), someText).map((some) => gzipSync(some)),
      fc.array(someText).map((lines) => gzipSync(lines.join("\n"))),
    )
    await fc.assert(
      fc.asyncProperty(bytes, async (some) => {
        const file = await open(path, "w", 0o600)
        await file.writeFile(some)
        await file.close()
        const result = await read(path)
        if (Result.isFailure(result)) expect(result.failure._tag).toBe("SnapshotFileDamaged")
        else if (result.success !== undefined) {
          // Times and counts come from the header alone; entries do not.
          expect(result.success.snapshot.entries.id).toBe(good.snapshot.entries.id)
        }
      }),
      { numRuns: 166 },
    )
  })
})
