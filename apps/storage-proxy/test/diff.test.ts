import { once } from "node:events"
import { writeFile } from "node:fs/promises"
import { createServer, type RequestListener } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { buildWorld } from "@cscs/sandbox"
import { describe, expect, onTestFinished, test } from "vitest"
import { aDirectory, aSandbox, environmentOf, finished, serving } from "./a-process.ts"

/** A proxy of another version on loopback. Returns its URL. */
const aProxy = async (listener: RequestListener): Promise<string> => {
  const server = createServer(listener).listen(0, "127.0.0.1")
  await once(server, "listening")
  onTestFinished(() => void server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const aFileWith = async (text: string): Promise<string> => {
  const path = join(await aDirectory(), "list.json")
  await writeFile(path, text)
  return path
}

const entry = (itemId: string, mountPoint: string, more: object = {}) => ({
  itemId,
  mountPoint: { default: mountPoint },
  ...more,
})

describe("diff", () => {
  test("of a running proxy with several pages, its export and its export as ndjson finds no difference", async () => {
    const sandbox = await aSandbox({ world: buildWorld({ edgeCases: false, resources: 150 }) })
    const environment = environmentOf(sandbox)
    const directory = await aDirectory()
    const [{ url }] = await Promise.all([
      serving([], { environment }),
      finished(["export", "--out", "list.json"], { environment, directory }),
      finished(["export", "--out", "list.ndjson", "--format", "ndjson"], { environment, directory }),
    ])
    const [lists, running] = await Promise.all([
      finished(["diff", "list.json", "list.ndjson"], { directory }),
      finished(["diff", url, "list.json", "--json"], { directory }),
    ])
    expect([lists.code, lists.stderr]).toEqual([0, ""])
    expect(lists.stdout).toMatch(/^old {2}list\.json {2}\d+ entries\nnew {2}list\.ndjson {2}\d+ entries\n\d+ equal\n$/)
    expect([running.code, running.stderr]).toEqual([0, ""])
    const { old, equal, differences } = JSON.parse(running.stdout)
    expect(old).toEqual({ source: `${url}/api/storage-resources/`, entries: equal })
    expect(equal).toBeGreaterThan(200)
    expect(differences).toEqual([])
  })

  test("prints what is gone, replaced, moved, added and changed, without control characters, and exits with 4", async () => {
    const old = [entry("a", "/a"), entry("b", "/b"), entry("c", "/c"), entry("d", "/d", { "x\u001b[2J": "\u001b[31m" })]
    const next = [entry("b", "/new"), entry("e", "/c"), entry("d", "/d", { "x\u001b[2J": 1 }), entry("f", "/f\u202e")]
    const { code, stdout, stderr } = await finished([
      "diff",
      await aFileWith(JSON.stringify(old)),
      await aFileWith(next.map((one) => JSON.stringify(one)).join("\n")),
    ])
    expect([code, stderr]).toEqual([4, "5 entries differ\n"])
    expect(stdout.replace(/^(old|new) .*\n/gm, "")).toBe(`0 equal

1 gone: only in the old list
  /a  a  without a status

1 replaced: another item at the mount point
  /c  c  without a status
    itemId: c → e

1 moved: the item is at another mount point
  /b  b  without a status
    mountPoint.default: /b → /new

1 added: only in the new list
  /f\\u202e  f  without a status

1 changed: other fields
  /d  d  without a status
    x\\u001b[2J: \\u001b[31m → 1

entries by field that differs
       1  x\\u001b[2J
       1  mountPoint.default
       1  itemId
`)
  })

  test.each([
    ["the whole list", [150, 150]],
    ["one page", [100, 50]],
  ])("walks the pages of 0.7.7 by its count of the rows of %s, with the token of that side", async (_, rows) => {
    const seen: Array<string | undefined> = []
    const page = (number: number) => ({
      resources: [entry("p", "/p"), entry(`r${number}`, `/p/r${number}`)],
      pagination: { current: number, limit: 100, offset: 0, pages: 1, total: 2, raw_total_from_api: rows[number - 1] },
    })
    const url = await aProxy((request, response) => {
      seen.push(request.headers.authorization)
      const number = Number(new URL(request.url ?? "", "http://proxy").searchParams.get("page"))
      response.statusCode = number > 2 ? 500 : 200
      response.setHeader("content-type", "application/json").end(JSON.stringify(page(number)))
    })
    const { code, stdout } = await finished(
      ["diff", url, await aFileWith(JSON.stringify([entry("p", "/p"), entry("r1", "/p/r1"), entry("r2", "/p/r2")]))],
      { environment: { STORAGE_PROXY_OLD_TOKEN: "old-token", STORAGE_PROXY_NEW_TOKEN: "new-token" } },
    )
    expect([code, seen]).toEqual([0, ["Bearer old-token", "Bearer old-token"]])
    expect(stdout).toMatch(/^3 equal$/m)
  })

  test("fails on a list that is not complete, and quotes neither token nor control character", async () => {
    const short = { resources: [entry("a", "/a")], pagination: { current: 1, total: 2, has_next: false } }
    const [shortened, refusing, file] = [
      await aProxy((_, response) => void response.end(JSON.stringify(short))),
      await aProxy(({ headers }, response) => void response.writeHead(403).end(`\u001b[2J${headers.authorization}`)),
      await aFileWith(JSON.stringify(short)),
    ]
    const environment = { STORAGE_PROXY_OLD_TOKEN: "a-secret-token" }
    const [cut, refused, page] = await Promise.all(
      [shortened, refusing, file].map((one) => finished(["diff", one, one], { environment })),
    )
    expect([cut?.code, refused?.code, page?.code]).toEqual([1, 1, 1])
    expect(cut?.stderr).toContain("1 of 2 entries were received")
    expect(page?.stderr).toContain("it is one page of several")
    expect(refused?.output).toContain("403")
    expect(refused?.output).not.toContain("secret")
    expect(refused?.output).not.toContain("\u001b")
  })

  test.each([
    ["", "[{]"],
    ["line 2 is not JSON", '{"itemId": "a"}\n{"itemId"'],
    ["it contains no list of entries", '{"detail": "no"}'],
    ["nested deeper than 50 levels", `[${"[".repeat(100_000)}${"]".repeat(100_000)}]`],
  ])('of a file that contains no list fails and reports "%s"', async (reported, text) => {
    const { code, stderr } = await finished(["diff", await aFileWith(text), await aFileWith("[]")])
    expect(code).toBe(1)
    expect(stderr).toContain(reported)
    expect(stderr).not.toContain("internal error")
  })

  test("does not accept a login in a URL, and does not repeat it", async () => {
    const { code, output } = await finished(["diff", "http://me:a-secret@127.0.0.1:9/", "x.json"])
    expect(code).toBe(2)
    expect(output).not.toContain("a-secret")
  })
})
