/** Which entries are understood, and what the differences of two lists are. */

import type { StorageEntry } from "@cscs/storage-model"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import fc from "fast-check"
import { changes, type EntryList, isReadAfter, type NotUnderstood } from "../src/index.ts"
import { anEntry, aTenant, clientOf, headersOf, lines, mockServer, uuidOf } from "./mock-server.ts"

const listOf = (all: ReadonlyArray<unknown>) =>
  Effect.gen(function* () {
    const server = yield* mockServer
    server.responses = [lines(all)]
    const client = yield* clientOf(server)
    return yield* client.entries()
  })

const projectOf = (targetItem: object, targetType = "project") => ({ target: { targetType, targetItem } })

describe("an entry that is not safe to act on", () => {
  const at = (path: unknown) => ({ mountPoint: { default: path } })
  const withQuota = (quota: unknown) => ({
    quotas: [{ type: "space", quota, unit: "tera", enforcementType: "hard" }],
  })
  const gid = (unixGid: unknown) => projectOf({ itemId: uuidOf(9), unixGid })
  const unsafe: ReadonlyArray<[what: string, changes: object]> = [
    ["an unknown status", { status: "frozen" }],
    ["an unknown target type", projectOf({ itemId: uuidOf(9), unixGid: 31_001 }, "team")],
    ["no target", { target: undefined }],
    ["no status", { status: undefined }],
    ...[
      "capstor/a",
      "",
      "/",
      "//a",
      "/a//b",
      "/a/",
      "/a/../b",
      "/a/./b",
      "/a/.b",
      "/a b",
      "/a\u0000",
      "/a\n",
      7,
      null,
    ].map((path): [string, object] => [`the mount point ${JSON.stringify(path)}`, at(path)]),
    [`a mount point of 4,097 bytes`, at(`/${"a/".repeat(2047)}bc`)],
    ["no mount point", { mountPoint: undefined }],
    ...[0, -1, 1.5, 2 ** 32, 65_534, 65_535, "31001", null, undefined].map((value): [string, object] => [
      `the GID ${JSON.stringify(value)}`,
      gid(value),
    ]),
    [
      "the GID 0 of a user's project",
      projectOf({ itemId: uuidOf(9), unixUid: 1, primaryProject: { unixGid: 0 } }, "user"),
    ],
    ...["", "77", "0o775", "888", "27700", 775, null].map((value): [string, object] => [
      `the mode ${JSON.stringify(value)}`,
      { permission: { permissionType: "octal", value } },
    ]),
    ["a symbolic mode", { permission: { permissionType: "symbolic", value: "775" } }],
    ...[-1, "5", null].map((value): [string, object] => [`the quota ${JSON.stringify(value)}`, withQuota(value)]),
    ["quotas that are absent", { quotas: undefined }],
    ["an unknown unit", { newQuotas: [{ type: "space", quota: 1, unit: "peta", enforcementType: "hard" }] }],
    ["an item id that is not a UUID", { itemId: "a" }],
    ["an item id in capitals", { itemId: uuidOf(1).replace("00000000", "ABCDEF00") }],
    ["a callback URL that is not a string", { set_state_done_url: 7 }],
  ]
  for (const [what, changed] of unsafe) {
    it.live(`with ${what} is reported as not understood, and the other entries are kept`, () =>
      Effect.gen(function* () {
        const { entries, notUnderstood, total } = yield* listOf([anEntry(1), anEntry(2, changed), anEntry(3)])
        expect(total).toBe(3)
        expect(entries.map(({ itemId }) => itemId)).toEqual([uuidOf(1), uuidOf(3)])
        expect(notUnderstood).toEqual([expect.objectContaining({ index: 1, reason: expect.stringMatching(/\w/) })])
      }),
    )
  }

  it.live("because it is not an object, or nests too deeply, is reported as not understood", () =>
    Effect.gen(function* () {
      const server = yield* mockServer
      // As text: JSON.stringify would exhaust the stack.
      const deep = `${"[".repeat(5000)}${"]".repeat(5000)}`
      const nested = JSON.stringify(
        anEntry(2, projectOf({ itemId: uuidOf(9), unixGid: 31_001, more: "deep" })),
      ).replace('"deep"', deep)
      server.responses = [
        (_, response) => response.writeHead(200, headersOf(5)).end(`null\n7\n[]\n"text"\n${nested}\n`),
      ]
      const client = yield* clientOf(server)
      const { entries, notUnderstood } = yield* client.entries()
      expect(entries).toEqual([])
      expect(notUnderstood.map(({ index, itemId }) => [index, itemId])).toEqual([
        [0, undefined],
        [1, undefined],
        [2, undefined],
        [3, undefined],
        [4, uuidOf(2)],
      ])
    }),
  )

  it.live("because its quotas exceed the largest number is reported as not understood", () =>
    Effect.gen(function* () {
      const server = yield* mockServer
      const text = JSON.stringify(anEntry(1, withQuota(12_345))).replace("12345", "1e999")
      server.responses = [(_, response) => response.writeHead(200, headersOf(1)).end(`${text}\n`)]
      const client = yield* clientOf(server)
      expect((yield* client.entries()).notUnderstood.length).toBe(1)
    }),
  )

  it.live("because its resource has two entries is reported as not understood, and so is the other", () =>
    Effect.gen(function* () {
      const { entries, notUnderstood } = yield* listOf([
        anEntry(1),
        anEntry(2),
        anEntry(1, { mountPoint: { default: "/capstor/b" } }),
      ])
      expect(entries.map(({ itemId }) => itemId)).toEqual([uuidOf(2)])
      expect(notUnderstood.map(({ index, reason }) => [index, reason])).toEqual([
        [0, "the resource has several entries"],
        [2, "the resource has several entries"],
      ])
    }),
  )

  it.live("because its resource has another entry that is not understood is reported as not understood too", () =>
    Effect.gen(function* () {
      const { entries, notUnderstood } = yield* listOf([anEntry(1), anEntry(1, { status: "frozen" }), anEntry(2)])
      expect(entries.map(({ itemId }) => itemId)).toEqual([uuidOf(2)])
      expect(notUnderstood.map(({ index, itemId }) => [index, itemId])).toEqual([
        [0, uuidOf(1)],
        [1, uuidOf(1)],
      ])
    }),
  )
})

describe("an entry", () => {
  it.live("with unknown fields is understood, and they are dropped", () =>
    Effect.gen(function* () {
      const { entries, notUnderstood } = yield* listOf([anEntry(1, { more: { a: [1] } })])
      expect(notUnderstood).toEqual([])
      expect(entries).toEqual([anEntry(1)])
    }),
  )

  it.live("of a tenant may occur at several mount points", () =>
    Effect.gen(function* () {
      const { entries } = yield* listOf([aTenant("/capstor/store/cscs"), aTenant("/capstor/users/cscs")])
      expect(entries.length).toBe(2)
    }),
  )
})

describe("the differences between two lists", () => {
  const list = (entries: ReadonlyArray<unknown>, notUnderstood: ReadonlyArray<NotUnderstood> = []): EntryList => ({
    entries: entries as ReadonlyArray<StorageEntry>,
    notUnderstood,
    total: entries.length + notUnderstood.length,
    etag: '"x"',
    age: 0,
    receivedAt: 0,
    readAfter: 0,
  })
  const ids = (before: EntryList | undefined, after: EntryList) => {
    const { added, changed, moved, gone } = changes(before, after)
    const id = ({ itemId }: StorageEntry) => itemId
    return {
      added: added.map(id),
      changed: changed.map((one) => id(one.after)),
      moved: moved.map((one) => id(one.after)),
      gone: gone.map(id),
    }
  }
  const none = { added: [], changed: [], moved: [], gone: [] }
  const unclear = (itemId: string | undefined): NotUnderstood => ({
    index: 0,
    itemId,
    mountPoint: undefined,
    reason: "-",
  })

  it("report everything as added if there is no earlier list", () => {
    expect(ids(undefined, list([anEntry(1)]))).toEqual({ ...none, added: [uuidOf(1)] })
  })

  it("report a resource at another mount point as moved, and a tenant there as another entry", () => {
    const elsewhere = { mountPoint: { default: "/capstor/elsewhere" } }
    const before = list([aTenant("/capstor/store/a"), anEntry(1), anEntry(2)])
    const after = list([aTenant("/capstor/store/b"), anEntry(1, elsewhere), anEntry(2, { status: "removing" })])
    expect(ids(before, after)).toEqual({
      added: [uuidOf(0)],
      gone: [uuidOf(0)],
      moved: [uuidOf(1)],
      changed: [uuidOf(2)],
    })
  })

  it("do not report an entry as gone if one with its ID is listed but not understood", () => {
    const before = list([anEntry(1), anEntry(2)])
    expect(ids(before, list([]))).toEqual({ ...none, gone: [uuidOf(1), uuidOf(2)] })
    expect(ids(before, list([], [unclear(uuidOf(2))]))).toEqual({ ...none, gone: [uuidOf(1)] })
    expect(ids(before, list([], [unclear(undefined)]))).toEqual(none)
  })

  it("report each entry once, whatever the lists are, and nothing for equal lists", () => {
    const some = fc.uniqueArray(
      fc.record({ id: fc.nat(8), path: fc.nat(3), status: fc.constantFrom("active", "error") }),
      {
        selector: ({ id }) => id,
      },
    )
    const lists = some.map((all) =>
      list(all.map(({ id, path, status }) => anEntry(id, { status, mountPoint: { default: `/m/${id}-${path}` } }))),
    )
    fc.assert(
      fc.property(lists, lists, (before, after) => {
        const { added, changed, moved, gone } = ids(before, after)
        const inAfter = after.entries.map(({ itemId }) => itemId)
        const inBefore = before.entries.map(({ itemId }) => itemId)
        expect(added.toSorted()).toEqual(inAfter.filter((id) => !inBefore.includes(id)).toSorted())
        expect(gone.toSorted()).toEqual(inBefore.filter((id) => !inAfter.includes(id)).toSorted())
        expect(new Set([...changed, ...moved]).size).toBe(changed.length + moved.length)
        expect(ids(after, list(structuredClone(after.entries)))).toEqual(none)
      }),
    )
  })
})

describe("a list", () => {
  it("counts as read after a report if its age plus a second is at most the time since the report", () => {
    // Sent at 10 s with an age of 3 s: read at 6 s or later.
    const list = { readAfter: 6000 } as EntryList
    expect([5999, 6000, 6001].map((reportedAt) => isReadAfter(list, reportedAt))).toEqual([true, true, false])
  })
})
