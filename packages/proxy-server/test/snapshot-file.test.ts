import { existsSync } from "node:fs"
import { chmod, lstat, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { gunzipSync, gzipSync } from "node:zlib"
import { HpcUserApiUnavailable, TokenRefused } from "@cscs/hpc-user-client"
import { TransportFailure } from "@cscs/http-transport"
import { buildWorld } from "@cscs/sandbox"
import { type EntryFilter, type ModelSettings, SkipCode, WarningCode } from "@cscs/storage-model"
import { Effect, Result } from "effect"
import fc from "fast-check"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import type { ProxySettings } from "../src/index.ts"
import { readSnapshotFile, setAside, writeSnapshotFile } from "../src/persistence/snapshot-file.ts"
import { storageIdentity } from "../src/persistence/stored-snapshot.ts"
import type { TimedSnapshot } from "../src/snapshot/snapshot.ts"
import { type Any, aDirectory, aProxy, startProxy, type TestedProxy, until } from "./a-proxy.ts"
import { answersOf, aSnapshot, type Made, offeringSlugs, testModel } from "./a-snapshot.ts"
import { aWorld } from "./a-world.ts"

const ours = "ours"

const write = (path: string, taken: TimedSnapshot, identity = ours) =>
  Effect.runPromise(Effect.result(writeSnapshotFile(path, identity, taken)))
const read = (path: string, identity = ours, model = testModel) =>
  Effect.runPromise(Effect.result(readSnapshotFile(path, identity, model)))

/** The result of reading a file: one word, or everything that it can return. */
const given = async (
  path: string,
  identity = ours,
  filters: ReadonlyArray<EntryFilter> = [],
  model: ModelSettings = testModel,
) => {
  const result = await read(path, identity, model)
  if (Result.isFailure(result)) return result.failure._tag === "SnapshotFileDamaged" ? "damaged" : result.failure
  return result.success === undefined ? "none" : answersOf(result.success, filters)
}

/** One directory for all runs of the properties. */
let shared = ""
beforeAll(async () => {
  shared = await mkdtemp(join(tmpdir(), "snapshot-file-"))
})
afterAll(() => rm(shared, { recursive: true }))

const oddTexts = [
  "",
  "\n",
  "a\nb",
  "\r\n",
  "\u2028",
  "\u2029",
  "\ufeff",
  "\0",
  "\\n",
  '"',
  "👩‍🔬",
  "é",
  "e\u0301",
  "\ud800",
]
const oddNames = ["__proto__", "constructor", "toString", "hasOwnProperty"]
const someText = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string({ unit: "grapheme" }),
  fc.constantFrom(...oddTexts, ...oddNames),
)
const someSlug = fc.oneof(fc.constantFrom("capstor", "vast", ...oddNames), someText)
const someTime = fc.integer({ min: 0, max: 8.64e15 })
const someCount = fc.nat({ max: 200_000 })

const someGidFailure = fc.oneof(
  fc
    .record({ tokenUrl: someText, status: fc.integer(), error: someText }, { requiredKeys: ["tokenUrl", "status"] })
    .map((fields) => new TokenRefused(fields)),
  someText.map((detail) => {
    const failure = new TransportFailure({ upstream: "hpc-user-api", call: "GET", reason: "timeout", detail })
    return new HpcUserApiUnavailable({ failure })
  }),
)

const someName = fc.stringMatching(/^[a-z0-9_][a-z0-9._-]{0,9}$/)
const someEntry: fc.Arbitrary<Made> = fc.record({
  itemId: someText,
  name: someText,
  mountPoint: fc.array(someName, { minLength: 1, maxLength: 4 }).map((names) => `/x${names.join("/")}`),
  targetType: fc.constantFrom("tenant" as const, "customer" as const, "project" as const, "user" as const),
  offeringSlug: fc.constantFrom(...offeringSlugs),
  dataType: fc.oneof(fc.constantFrom("store", "archive", "constructor"), someName),
  status: fc.constantFrom("active", "pending", "error"),
  states: fc.uniqueArray(fc.oneof(fc.constantFrom("OK", "Erred", "Creating"), someText), { maxLength: 3 }),
})

/** Neighbours, which belong to one storage system. */
const someStep = (size: fc.ArrayConstraints) =>
  fc
    .tuple(fc.constantFrom(...offeringSlugs), fc.array(someEntry, size))
    .map(([offeringSlug, entries]) => entries.map((entry) => ({ ...entry, offeringSlug })))

// Parsed from text, since an object can then have `__proto__` as a key.
const someJson = fc.oneof(
  fc.json().filter((text) => text.length < 500),
  fc.constantFrom('{"__proto__":{"a":1}}', "-0", "1e400", '["\\u2028"]', "null"),
)
const someFinding = <C extends string>(...codes: ReadonlyArray<C>) =>
  fc.record({
    code: fc.constantFrom(...codes),
    uuid: fc.option(someText),
    slug: fc.option(someSlug),
    offering_slug: fc.option(someSlug),
    field: someText,
    found: someJson.map((text): unknown => JSON.parse(text)),
    reason: someText,
  })
const gidsByName = fc
  .array(fc.tuple(someSlug, fc.integer({ min: 1000, max: 65_533 })), { maxLength: 5 })
  .map((pairs) => new Map(pairs))
const numbersByName = fc.array(fc.tuple(someSlug, someCount), { maxLength: 5 }).map((pairs) => new Map(pairs))

const someTaken: fc.Arbitrary<TimedSnapshot> = fc.record({
  // More than sixteen neighbours make two chunks.
  snapshot: fc
    .tuple(
      fc.array(someStep({ maxLength: 20, size: "medium" }), { maxLength: 5 }),
      fc.record({
        skipped: fc.array(someFinding(...SkipCode.literals), { maxLength: 4 }),
        warnings: fc.array(someFinding(...WarningCode.literals), { maxLength: 4 }),
        counts: numbersByName,
        guarded: fc.array(
          fc.record({
            offeringSlug: someSlug,
            since: someTime,
            readAt: someTime,
            before: someCount,
            now: someCount,
            why: fc.string(),
          }),
          {
            maxLength: 3,
          },
        ),
        invisibleOfferings: fc.array(someSlug, { maxLength: 3 }),
        gidFailure: fc.option(someGidFailure, { nil: undefined }),
        gids: gidsByName,
        gidsReadAt: fc.option(someTime, { nil: undefined }),
      }),
    )
    .map(([steps, more]) => aSnapshot(steps, more)),
  readStartedAt: someTime,
  readEndedAt: someTime,
  changedAt: someTime,
})

/** One element in every part of it. */
const small: TimedSnapshot = {
  snapshot: aSnapshot(
    [
      [
        {
          itemId: "tenant",
          mountPoint: "/capstor/store/cscs",
          targetType: "tenant",
          offeringSlug: "capstor",
          dataType: "store",
          status: "pending",
          states: ["OK", "Erred"],
        },
      ],
      [
        {
          itemId: "project",
          name: "\u2028/👩‍🔬",
          mountPoint: "/capstor/store/cscs/physics/climate",
          targetType: "project",
          offeringSlug: "capstor",
          dataType: "store",
          status: "active",
          states: ["OK"],
        },
      ],
    ],
    {
      skipped: [
        {
          code: "bad-data",
          uuid: null,
          slug: "odd",
          offering_slug: "capstor",
          field: "attributes.permissions",
          found: [7, { a: null }],
          reason: "expected octal digits",
        },
      ],
      counts: new Map([["capstor", 2]]),
      guarded: [
        {
          offeringSlug: "vast",
          since: 1_700_000_000_000,
          readAt: 1_700_000_000_000,
          before: 12,
          now: 0,
          why: "all vanish",
        },
      ],
      losses: [{ offeringSlug: "vast", itemId: "a", mountPoint: "/a", at: 1_700_000_000_000, isRemoval: true }],
      invisiblePaths: [{ offeringSlug: "vast", path: "/a" }],
      offeringWarnings: ["two offerings have the slug capstor"],
      gids: new Map([["bio", 40_001]]),
    },
  ),
  readStartedAt: 1_700_000_000_000,
  readEndedAt: 1_700_000_000_123,
  changedAt: 1_600_000_000_000,
}

describe("a stored snapshot", () => {
  test("is read as it was written, in everything that it can return", async () => {
    const path = join(shared, "round-trip")
    const someFilters = fc.array(
      fc.record(
        { offeringSlug: someSlug, dataType: someText, status: fc.constantFrom("active", "error"), state: someText },
        { requiredKeys: [] },
      ),
      { maxLength: 4 },
    )
    await fc.assert(
      fc.asyncProperty(someTaken, someFilters, someText, async (taken, some, identity) => {
        // Those that select something, too.
        const facets = taken.snapshot.entries.chunks.flatMap((chunk) => chunk.facets)
        const filters = [
          ...some,
          ...facets.flatMap(
            ({ offeringSlug, dataType, status, states }): ReadonlyArray<EntryFilter> => [
              { offeringSlug, dataType, status },
              ...[...states].map((state) => ({ state })),
            ],
          ),
        ]
        expect(Result.isSuccess(await write(path, taken, identity))).toBe(true)
        expect(await given(path, identity, filters)).toEqual(answersOf(taken, filters))
      }),
      { numRuns: 150 },
    )
  })

  test("replaces the previous one, whichever is larger, and leaves nothing beside it", async () => {
    const directory = await aDirectory()
    const path = join(directory, "kept")
    const large = { ...small, snapshot: aSnapshot([Array.from({ length: 500 }, (_, at) => made(`entry ${at}`))]) }
    for (const taken of [small, large, small]) {
      await write(path, taken)
      expect(await given(path)).toEqual(answersOf(taken))
      expect(await readdir(directory)).toEqual(["kept"])
    }
  })

  test("of a world of oddities is the same when its reader writes it again", async () => {
    const path = join(await aDirectory(), "kept")
    // Another test covers a path that is never served.
    const world = buildWorld()
    world.resources = world.resources.filter(({ backend_id }) => !String(backend_id).startsWith("/etc"))
    const proxy = await aProxy({ world, environment: { CACHE_PATH: path } })
    expect((await proxy.list()).status).toBe(200)
    await until(() => existsSync(path))
    const identity = storageIdentity(proxy.settings)
    const text = gunzipSync(await readFile(path)).toString()
    const taken = Result.getOrThrow(await read(path, identity, proxy.settings.model)) as TimedSnapshot
    const { snapshot } = taken
    // Otherwise it would show little.
    expect(Math.min(snapshot.skipped.length, snapshot.warnings.length, snapshot.counts.size)).toBeGreaterThan(2)
    expect(snapshot.gids.size).toBeGreaterThan(10)
    const again = `${path} again`
    await write(again, taken, identity)
    expect(gunzipSync(await readFile(again)).toString()).toBe(text)
  })

  test("may have any finding code", async () => {
    const path = join(await aDirectory(), "kept")
    const found = { uuid: null, slug: null, offering_slug: null, field: "f", found: 1, reason: "r" }
    const snapshot = aSnapshot([], {
      skipped: SkipCode.literals.map((code) => ({ code, ...found })),
      warnings: WarningCode.literals.map((code) => ({ code, ...found })),
    })
    await write(path, { ...small, snapshot })
    expect(await given(path)).toEqual(answersOf({ ...small, snapshot }))
  })
})

const made = (itemId: string): Made => ({
  itemId,
  mountPoint: "/capstor/store/cscs",
  targetType: "project",
  offeringSlug: "capstor",
  dataType: "store",
  status: "active",
  states: ["OK"],
})

describe("an altered file", () => {
  /** The bytes of the small snapshot. */
  let whole = Buffer.alloc(0)
  const path = () => join(shared, "altered")
  const altered = async (bytes: Uint8Array) => {
    await writeFile(path(), bytes)
    return given(path())
  }
  beforeAll(async () => {
    await write(path(), small)
    whole = await readFile(path())
  })

  test("that is truncated anywhere is damaged", async () => {
    for (let length = 0; length < whole.length; length += 1) {
      expect([length, await altered(whole.subarray(0, length))]).toEqual([length, "damaged"])
    }
    expect(await altered(whole)).toEqual(answersOf(small))
  })

  test("with any one byte changed is damaged, or what was written", async () => {
    const reported = answersOf(small)
    let damaged = 0
    // A step that meets every bit at every eighth place, and is deterministic.
    for (let at = 0; at < whole.length; at += 1) {
      for (const mask of [1 << (at % 8), 0xff - (at % 0xff)]) {
        const bytes = Buffer.from(whole)
        bytes[at] = (bytes[at] ?? 0) ^ mask
        const found = await altered(bytes)
        if (found === "damaged") damaged += 1
        else expect([at, mask, found]).toEqual([at, mask, reported])
      }
    }
    // Only the gzip header has fields that are not read, such as the time of packing.
    expect(damaged).toBeGreaterThan(2 * (whole.length - 10))
  })

  test("that is truncated, changed, extended or partly overwritten is never another one, however large it was", async () => {
    const size = { maxLength: 40, size: "max" } as const
    const someLarge = fc
      .array(someStep(size), { ...size, minLength: 5 })
      .map((steps): TimedSnapshot => ({ ...small, snapshot: aSnapshot(steps) }))
    const place = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true })
    const someChange = fc.oneof(
      fc.record({ what: fc.constant("cut" as const), place, bytes: fc.constant(new Uint8Array()) }),
      fc.record({
        what: fc.constantFrom("over" as const, "into" as const, "after" as const),
        place,
        bytes: fc.uint8Array({ minLength: 1, maxLength: 40 }),
      }),
    )
    await fc.assert(
      fc.asyncProperty(someLarge, fc.array(someChange, { minLength: 20, maxLength: 20 }), async (taken, changes) => {
        await write(path(), taken)
        const bytes = await readFile(path())
        const reported = answersOf(taken)
        for (const change of changes) {
          const at = Math.floor(change.place * bytes.length)
          const found = await altered(
            {
              cut: () => bytes.subarray(0, at),
              over: () => {
                const copy = Buffer.from(bytes)
                copy.set(change.bytes.subarray(0, bytes.length - at), at)
                return copy
              },
              into: () => Buffer.concat([bytes.subarray(0, at), change.bytes, bytes.subarray(at)]),
              after: () => Buffer.concat([bytes, change.bytes]),
            }[change.what](),
          )
          if (found !== "damaged") expect(found).toEqual(reported)
        }
      }),
      { numRuns: 15 },
    )
  })

  test("that is empty, a text, or packed and something else is damaged", async () => {
    const others = ["", "\0", "{}", gzipSync(""), gzipSync("\n\n\n"), gzipSync("{}\n"), gzipSync("x".repeat(100_000))]
    for (const other of others) expect(await altered(Buffer.from(other))).toBe("damaged")
  })

  describe("that is packed soundly", () => {
    const repacked = (change: (lines: Array<string>) => ReadonlyArray<string>) =>
      altered(gzipSync(change(gunzipSync(whole).toString().split("\n")).join("\n")))
    const withHeader = (change: (header: Any) => unknown) =>
      repacked(([format = "", header = "", ...rest]) => [format, JSON.stringify(change(JSON.parse(header))), ...rest])
    const withChunk = (change: (chunk: Any) => unknown) =>
      repacked(([format = "", header = "", chunk = "", ...rest]) => [
        format,
        header,
        JSON.stringify(change(JSON.parse(chunk))),
        ...rest,
      ])

    test("is intact if nothing was changed", async () => {
      expect(await repacked((lines) => lines)).toEqual(answersOf(small))
      expect(await withHeader((header) => header)).toEqual(answersOf(small))
      expect(await withChunk((chunk) => chunk)).toEqual(answersOf(small))
    })

    test.each<[string, (chunk: Any) => unknown]>([
      ["an entry", (chunk) => ({ ...chunk, entries: chunk.entries.replace("cscs", "cscx") })],
      ["an additional entry", (chunk) => ({ ...chunk, entries: chunk.entries.repeat(2), facetsAt: [0, 0] })],
      ["no entry", (chunk) => ({ ...chunk, entries: "", facetsAt: [] })],
      ["another state", (chunk) => ({ ...chunk, facets: [{ ...chunk.facets[0], states: ["OK"] }] })],
      ["another system", (chunk) => ({ ...chunk, facets: [{ ...chunk.facets[0], offeringSlug: "vast" }] })],
      ["another facet's number", (chunk) => ({ ...chunk, facetsAt: [1] })],
      ["a resource", (chunk) => ({ ...chunk, resources: ["tenant"] })],
      ["a missing part", ({ entries, facets, facetsAt }) => ({ entries, facets, facetsAt })],
      ["nothing", () => null],
    ])("is damaged if a chunk has another content: %s", async (_, change) => {
      expect(await withChunk(change)).toBe("damaged")
    })

    test.each<[string, (header: Any) => unknown]>([
      ["no time", ({ readStartedAt: _, ...rest }) => rest],
      ["a time that is none", (header) => ({ ...header, readEndedAt: "now" })],
      ["half a millisecond", (header) => ({ ...header, changedAt: 0.5 })],
      ["a GID that is a text", (header) => ({ ...header, gids: [["bio", "40001"]] })],
      ["a GID that is not an integer", (header) => ({ ...header, gids: [["bio", 40_001.5]] })],
      ["a code that there is not", (header) => ({ ...header, skipped: [{ ...header.skipped[0], code: "odd" }] })],
      ["a chunk more", (header) => ({ ...header, chunks: [...header.chunks, header.chunks[0]] })],
      ["chunks in another order", (header) => ({ ...header, chunks: header.chunks.toReversed() })],
      ["a list in its place", (header) => [header]],
    ])("is damaged if the header has %s", async (_, change) => {
      expect(await withHeader(change)).toBe("damaged")
    })

    test("is damaged if lines are gone, or the last is truncated", async () => {
      for (const gone of [1, 2, 3]) expect(await repacked((lines) => lines.toSpliced(gone, 1))).toBe("damaged")
      for (const kept of [1, 2, 3]) expect(await repacked((lines) => lines.slice(0, kept))).toBe("damaged")
      // All but the last newline.
      expect(await repacked((lines) => lines.slice(0, 4))).toBe("damaged")
    })

    test("of a future format is not ours: it is ignored", async () => {
      const format = gunzipSync(whole).toString().split("\n")[0] ?? ""
      expect(JSON.parse(format)).toEqual(["storage-proxy snapshot 1", ours])
      for (const line of [format.replace("snapshot 1", "snapshot 2"), '["storage-proxy snapshot 7",{"anything":1}]']) {
        expect(await repacked(([, ...rest]) => [line, ...rest])).toBe("none")
        expect(await altered(gzipSync(`${line}\n\x01\x02`))).toBe("none")
      }
      expect(await repacked(([line = "", ...rest]) => [line.replace("storage-proxy", "another"), ...rest])).toBe(
        "damaged",
      )
    })
  })

  test("that does not exist means no snapshot", async () => {
    expect(await given(join(shared, "missing"))).toBe("none")
    expect(await given(join(shared, "no directory", "missing"))).toBe("none")
  })
})

describe("another version or configuration", () => {
  test("ignores a stored snapshot", async () => {
    const path = join(await aDirectory(), "kept")
    await write(path, small)
    expect([await given(path, "theirs"), await given(path)]).toEqual(["none", answersOf(small)])
  })

  test("is one with another address, another model or another HPC User API; secrets and times do not count", async () => {
    const { settings } = await aProxy({ world: aWorld(6) })
    const identityWith = (more: Partial<ProxySettings>) => storageIdentity({ ...settings, ...more })
    const { waldur, model, cache } = settings
    const hpcUserApi = settings.hpcUserApi as NonNullable<typeof settings.hpcUserApi>
    const [first, ...others] = model.storageSystems
    const same = [
      identityWith({}),
      identityWith({ waldur: { ...waldur, proxy: "socks5://127.0.0.1:1" } as Any }),
      identityWith({ cache: { ...cache, path: "/elsewhere" } }),
    ]
    expect(new Set(same).size).toBe(1)
    const different = [
      identityWith({}),
      identityWith({ waldur: { ...waldur, apiUrl: "https://other.example.com/api/" } }),
      identityWith({ hpcUserApi: { ...hpcUserApi, apiUrl: "https://other.example.com/" } }),
      identityWith({ hpcUserApi: undefined }),
      identityWith({ model: { ...model, minGid: 2000 } }),
      identityWith({ model: { ...model, mountRoots: ["/capstor"] } }),
      identityWith({ model: { ...model, storageSystems: others } }),
      identityWith({ model: { ...model, storageSystems: [...others, first as Any] } }),
      identityWith({ model: { ...model, inodeSoftCoefficient: 1.5 } }),
      identityWith({ model: { ...model, useMockTargetItems: true } }),
    ]
    expect(new Set(different).size).toBe(different.length)
  })
})

describe("read access to the file", () => {
  const modeOf = async (path: string) => ((await lstat(path)).mode & 0o7777).toString(8)

  test.each([0, 0o022, 0o077, 0o177, 0o277, 0o777])(
    "is limited to our user, whatever the umask is: %o",
    async (mask) => {
      const path = join(await aDirectory(), "kept")
      const before = process.umask(mask)
      try {
        await write(path, small)
      } finally {
        process.umask(before)
      }
      expect(await modeOf(path)).toBe("600")
    },
  )

  test("is limited to our user, even if others could read the previous file", async () => {
    const path = join(await aDirectory(), "kept")
    await writeFile(path, "for all to read")
    await writeFile(`${path}.tmp`, "half of it".repeat(100_000))
    await chmod(path, 0o644)
    await chmod(`${path}.tmp`, 0o644)
    await write(path, small)
    expect([await modeOf(path), await given(path)]).toEqual(["600", answersOf(small)])
  })

  test("is limited for a damaged file that was set aside, too", async () => {
    const path = join(await aDirectory(), "kept")
    await write(path, small)
    await Effect.runPromise(setAside(path))
    expect([await modeOf(`${path}.damaged`), await given(path)]).toEqual(["600", "none"])
  })
})

describe("an obstacle at the path", () => {
  test("that is a directory is an error that names the file, and the last good one is unchanged", async () => {
    const path = join(await aDirectory(), "kept")
    await write(path, small)
    await mkdir(`${path}.tmp`)
    const other = { ...small, snapshot: aSnapshot([[made("other")]]) }
    const result = await write(path, other)
    expect(Result.isFailure(result) && result.failure.message).toContain(path)
    expect(await given(path)).toEqual(answersOf(small))
    await rm(`${path}.tmp`, { recursive: true })
    await rm(path)
    await mkdir(path)
    const [written, unread] = [await write(path, other), await read(path)]
    const failure = { _tag: "SnapshotFileError", path }
    expect(Result.isFailure(written) && written.failure).toMatchObject(failure)
    expect(Result.isFailure(unread) && unread.failure).toMatchObject(failure)
  })
})

/** Root may do everything, so it drops its rights meanwhile. */
const asNobody = async <A>(act: () => Promise<A>): Promise<A> => {
  if (process.getuid?.() !== 0) return act()
  process.seteuid?.(65_534)
  try {
    return await act()
  } finally {
    process.seteuid?.(0)
  }
}

describe("a missing permission", () => {
  test("is an error with its reason, and the existing file is unchanged", async () => {
    const directory = await aDirectory()
    const path = join(directory, "kept")
    await write(path, small)
    await chmod(directory, 0o555)
    try {
      const result = await asNobody(() => write(path, { ...small, snapshot: aSnapshot([]) }))
      expect(Result.isFailure(result) && result.failure.message).toMatch(/^cache\.path .*EACCES/)
      await chmod(path, 0o000)
      const unread = await asNobody(() => read(path))
      expect(Result.isFailure(unread) && unread.failure).toMatchObject({ _tag: "SnapshotFileError", path })
      await chmod(path, 0o600)
      const aside = await asNobody(() => Effect.runPromise(Effect.result(setAside(path))))
      expect(Result.isFailure(aside) && aside.failure.message).toMatch(/EACCES/)
    } finally {
      await chmod(directory, 0o700)
    }
    expect([await readdir(directory), await given(path)]).toEqual([["kept"], answersOf(small)])
  })
})

describe("a write that fails half way", () => {
  test("leaves the existing file, and the next write is complete", async () => {
    const path = join(await aDirectory(), "kept")
    await write(path, small)
    const steps = Array.from({ length: 2000 }, (_, at) => [made(`entry ${at}`)])
    const large = { ...small, snapshot: aSnapshot(steps) }
    const { entries } = large.snapshot
    for (const kept of [0, 1, 1000, 1999]) {
      const chunks = [...entries.chunks]
      const broken = { ...chunks[kept] } as Any
      Object.defineProperty(broken, "facets", {
        get: () => {
          throw new Error("no more")
        },
      })
      chunks[kept] = broken
      const taken = { ...large, snapshot: { ...large.snapshot, entries: { ...entries, chunks } } }
      const result = await write(path, taken)
      expect(Result.isFailure(result) && result.failure.message).toBe(`cache.path ${path}: no more`)
      expect(await given(path)).toEqual(answersOf(small))
    }
    await write(path, large)
    expect(await given(path)).toEqual(answersOf(large))
  })
})

const linesWith = ({ logs }: TestedProxy, words: string) => logs.filter((line) => line.includes(words))
const notKept = '"event":"snapshot-not-kept"'
const keptWarnings = async (proxy: TestedProxy): Promise<ReadonlyArray<string>> =>
  (await proxy.ready()).json.warnings.filter((one: string) => one.includes("the snapshot is not kept"))
/** Lets a minute pass, with a request: there is something new to store. */
const anotherMinute = async (proxy: TestedProxy) => {
  await proxy.pass("1 minute")
  expect((await proxy.list()).status).toBe(200)
}

describe("a snapshot file that cannot be written", () => {
  test("for lack of its directory is logged once, readiness warns, and the service goes on until it can", async () => {
    const directory = join(await aDirectory(), "sub")
    const path = join(directory, "kept")
    const proxy = await aProxy({ world: aWorld(6), environment: { CACHE_PATH: path } })
    expect((await proxy.list()).status).toBe(200)
    await until(async () => (await keptWarnings(proxy)).length === 1)
    expect((await keptWarnings(proxy))[0]).toContain(path)
    for (let minute = 0; minute < 5; minute += 1) await anotherMinute(proxy)
    expect((await proxy.ready()).status).toBe(200)
    expect(linesWith(proxy, notKept).map((line) => JSON.parse(line).level)).toEqual(["ERROR"])

    await mkdir(directory)
    await until(async () => {
      await anotherMinute(proxy)
      return existsSync(path)
    })
    await until(async () => (await keptWarnings(proxy)).length === 0)

    // Logged again, since it worked in between.
    await rm(directory, { recursive: true })
    await until(async () => {
      await anotherMinute(proxy)
      return (await keptWarnings(proxy)).length === 1
    })
    expect(linesWith(proxy, notKept).length).toBe(2)
  })

  test.each([
    ["whose directory is a file", async (path: string) => writeFile(join(path, ".."), "a file")],
    ["that is a directory", async (path: string) => mkdir(path, { recursive: true })],
  ])("%s is logged once, at the start; the service goes on, and ends", async (_, prepare) => {
    const path = join(await aDirectory(), "sub", "kept")
    await prepare(path)
    const proxy = await startProxy({ world: aWorld(6), environment: { CACHE_PATH: path } })
    try {
      expect((await proxy.list()).status).toBe(200)
      for (let minute = 0; minute < 3; minute += 1) await anotherMinute(proxy)
      expect((await keptWarnings(proxy)).length).toBe(1)
    } finally {
      await proxy.close()
    }
    expect(linesWith(proxy, notKept).length).toBe(1)
  })
})

describe("a damaged file at the start", () => {
  test("is set aside and logged once; the first refresh is waited for, and stored in its place", async () => {
    const directory = await aDirectory()
    const path = join(directory, "kept")
    const sandboxed = await aProxy({ world: aWorld(6), environment: { CACHE_PATH: path } })
    const good = await sandboxed.list()
    await until(() => existsSync(path))
    const bytes = await readFile(path)
    const half = bytes.subarray(0, bytes.length / 2)
    await sandboxed.pass("1 second")
    await writeFile(path, half)
    const proxy = await startProxy({ sandbox: sandboxed.sandbox, environment: { CACHE_PATH: path } })
    try {
      expect((await proxy.list()).text).toBe(good.text)
      expect(await readFile(`${path}.damaged`)).toEqual(half)
      const reported = linesWith(proxy, '"event":"snapshot-damaged"').map((line) => JSON.parse(line))
      expect(reported).toMatchObject([{ level: "ERROR", annotations: { set_aside_as: `${path}.damaged` } }])
      await until(() => existsSync(path))
      expect(typeof (await given(path, storageIdentity(proxy.settings), [], proxy.settings.model))).toBe("object")
      expect(await keptWarnings(proxy)).toEqual([])
    } finally {
      await proxy.close()
    }
  })

  test("that cannot be set aside is logged too; the service goes on", async () => {
    const path = join(await aDirectory(), "kept")
    await writeFile(path, "")
    await mkdir(`${path}.damaged`)
    const proxy = await aProxy({ world: aWorld(6), environment: { CACHE_PATH: path } })
    expect((await proxy.list()).status).toBe(200)
    expect(linesWith(proxy, notKept).length).toBe(1)
    await until(async () => (await readFile(path)).length > 0)
    await until(async () => (await keptWarnings(proxy)).length === 0)
  })

  test("of another configuration is neither set aside nor reported as damaged", async () => {
    const directory = await aDirectory()
    const path = join(directory, "kept")
    await write(path, small)
    const proxy = await aProxy({
      world: aWorld(6),
      environment: { CACHE_PATH: path },
      prepare: ({ faults }) => faults.set("waldur", { status: 403 }),
    })
    expect((await proxy.list()).status).toBe(502)
    expect([await readdir(directory), linesWith(proxy, '"event":"snapshot-damaged"')]).toEqual([["kept"], []])
    // It stays until there is one to replace it.
    expect(await given(path)).toEqual(answersOf(small))
    proxy.sandbox.faults.clear()
    await until(async () => {
      await proxy.pass("1 second")
      return (await proxy.list()).status === 200
    })
    await until(async () => (await given(path)) === "none")
    expect(typeof (await given(path, storageIdentity(proxy.settings), [], proxy.settings.model))).toBe("object")
  })
})
