import { readFileSync } from "node:fs"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { type WaldurRecord, worldOf } from "@cscs/sandbox"
import { expect, onTestFinished, test } from "vitest"
import { type Any, aProxy, type TestedProxy } from "./a-proxy.ts"
import { dashed } from "./a-world.ts"

/** Responses of a real Waldur, recorded on 2026-11-23. */
const fixture = (name: string) => readFileSync(new URL(`fixtures/recorded-waldur/${name}`, import.meta.url), "utf8")
const recorded = (name: string): Any => JSON.parse(fixture(name))
/** The start of all links in the recordings. */
const apiUrl = "http://127.0.0.1:8001/api/"

const rows: ReadonlyArray<WaldurRecord> = [...recorded("resources-page-1.json"), ...recorded("resources-page-2.json")]
const projects = [...new Set(rows.map((row) => String(row.project_slug)))].sort()
const gids = () => new Map<string, unknown>(projects.map((slug, index) => [slug, 31_001 + index]))
const capstor = recorded("offering-capstor.json")
/** One of them was recorded; the others are as their resources name them. */
const offerings: ReadonlyArray<Any> = [
  capstor,
  ...Array.from(Map.groupBy(rows, (row) => row.offering_uuid).values(), ([row]) => ({
    ...capstor,
    uuid: row?.offering_uuid,
    slug: row?.offering_slug,
    name: row?.offering_name,
  })).filter(({ uuid }) => uuid !== capstor.uuid),
]

/** `mount point | target type | key, of a user the slug | status | permission | quotas | GID`, derived by hand. */
const tree = `
/capstor/archive/cscs | tenant | cscs | pending | 775 | none | -
/capstor/archive/cscs/empa | customer | empa | pending | 775 | none | -
/capstor/archive/cscs/empa/empa-p01 | project | empa-p01 | active | 775 | 100/200 TB 150000000/200000000 | 31001
/capstor/archive/cscs/epfl | customer | epfl | pending | 775 | none | -
/capstor/archive/cscs/epfl/epfl-p01 | project | epfl-p01 | active | 775 | 100/100 TB 133000000/200000000 | 31004
/capstor/archive/cscs/epfl/epfl-p02 | project | epfl-p02 | pending | 2770 | 100/100 TB 133000000/200000000 | 31005
/capstor/archive/cscs/epfl/epfl-p03 | project | epfl-p03 | error | 770 | 100/100 TB 133000000/200000000 | 31006
/capstor/archive/cscs/mch | customer | mch | pending | 775 | none | -
/capstor/archive/cscs/mch/mch-p03 | project | mch-p03 | active | 770 | 100/200 TB 150000000/200000000 | 31012
/capstor/scratch/cscs | tenant | cscs | pending | 775 | none | -
/capstor/scratch/cscs/ethz | customer | ethz | pending | 775 | none | -
/capstor/scratch/cscs/ethz/ethz-p01 | user | capstor-015 | pending | 775 | 1/1 TB 1330000/2000000 | 31007
/capstor/scratch/cscs/ethz/ethz-p02 | user | capstor-031 | removing | 2770 | 250/500 TB 375000000/500000000 | 31008
/capstor/scratch/cscs/mch | customer | mch | pending | 775 | none | -
/capstor/scratch/cscs/mch/mch-p01 | user | capstor-039 | removed | 775 | 1/1 TB 1330000/2000000 | 31010
/capstor/scratch/cscs/psi | customer | psi | pending | 775 | none | -
/capstor/scratch/cscs/psi/psi-p02 | user | capstor-007 | active | 2770 | 5/10 TB 7500000/10000000 | 31014
/capstor/scratch/cscs/psi/psi-p03 | user | capstor-023 | updating | 770 | 5/5 TB 6650000/10000000 | 31015
/capstor/store/cscs | tenant | cscs | pending | 775 | none | -
/capstor/store/cscs/ethz | customer | ethz | pending | 775 | none | -
/capstor/store/cscs/ethz/ethz-p01 | project | ethz-p01 | active | 775 | 50/50 TB 66500000/100000000 | 31007
/capstor/store/cscs/ethz/ethz-p02 | project | ethz-p02 | pending | 2770 | 250/500 TB 375000000/500000000 | 31008
/capstor/store/cscs/ethz/ethz-p03 | project | ethz-p03 | removing | 770 | 50/100 TB 75000000/100000000 | 31009
/capstor/store/cscs/mch | customer | mch | pending | 775 | none | -
/capstor/store/cscs/mch/mch-p01 | project | mch-p01 | updating | 775 | 250/250 TB 332500000/500000000 | 31010
/capstor/store/cscs/psi | customer | psi | pending | 775 | none | -
/capstor/store/cscs/psi/psi-p03 | project | psi-p03 | active | 770 | 10/10 TB 13300000/20000000 | 31015
/capstor/users/cscs | tenant | cscs | pending | 775 | none | -
/capstor/users/cscs/empa | customer | empa | pending | 775 | none | -
/capstor/users/cscs/empa/empa-p01 | user | capstor-012 | active | 775 | 50/100 TB 75000000/100000000 | 31001
/capstor/users/cscs/empa/empa-p02 | user | capstor-028 | active | 2770 | 1/1 TB 1330000/2000000 | 31002
/capstor/users/cscs/epfl | customer | epfl | pending | 775 | none | -
/capstor/users/cscs/epfl/epfl-p02 | user | capstor-004 | active | 2770 | 100/100 TB 133000000/200000000 | 31005
/capstor/users/cscs/epfl/epfl-p03 | user | capstor-020 | pending | 770 | 1/1 TB 1330000/2000000 | 31006
/capstor/users/cscs/psi | customer | psi | pending | 775 | none | -
/capstor/users/cscs/psi/psi-p01 | user | capstor-036 | removed | 775 | 10/20 TB 15000000/20000000 | 31013
/vast/store/cscs | tenant | cscs | pending | 775 | none | -
/vast/store/cscs/epfl | customer | epfl | pending | 775 | none | -
/vast/store/cscs/epfl/epfl-p01 | project | epfl-p01 | removing | 775 | 5/5 TB 6650000/10000000 | 31004
/vast/store/cscs/ethz | customer | ethz | pending | 775 | none | -
/vast/store/cscs/ethz/ethz-p02 | project | ethz-p02 | active | 2770 | 100/200 TB 150000000/200000000 | 31008
/vast/store/cscs/ethz/ethz-p03 | project | ethz-p03 | pending | 770 | 100/200 TB 150000000/200000000 | 31009
/vast/store/cscs/mch | customer | mch | pending | 775 | none | -
/vast/store/cscs/mch/mch-p01 | project | mch-p01 | active | 775 | 1/1 TB 1330000/2000000 | 31010
/vast/store/cscs/mch/mch-p02 | project | mch-p02 | updating | 2770 | 10/10 TB 13300000/20000000 | 31011
/vast/users/cscs | tenant | cscs | pending | 775 | none | -
/vast/users/cscs/empa | customer | empa | pending | 775 | none | -
/vast/users/cscs/empa/empa-p02 | user | vast-013 | active | 2770 | 50/50 TB 66500000/100000000 | 31002
/vast/users/cscs/empa/empa-p03 | user | vast-029 | active | 770 | 100/100 TB 133000000/200000000 | 31003
/vast/users/cscs/epfl | customer | epfl | pending | 775 | none | -
/vast/users/cscs/epfl/epfl-p03 | user | vast-005 | active | 770 | 250/250 TB 332500000/500000000 | 31006
/vast/users/cscs/psi | customer | psi | pending | 775 | none | -
/vast/users/cscs/psi/psi-p02 | user | vast-037 | removed | 2770 | 250/500 TB 375000000/500000000 | 31014
/iopsstor/archive/cscs | tenant | cscs | pending | 775 | none | -
/iopsstor/archive/cscs/epfl | customer | epfl | pending | 775 | none | -
/iopsstor/archive/cscs/epfl/epfl-p01 | project | epfl-p01 | pending | 775 | 100/100 TB 133000000/200000000 | 31004
/iopsstor/archive/cscs/epfl/epfl-p02 | project | epfl-p02 | error | 2770 | 10/10 TB 13300000/20000000 | 31005
/iopsstor/archive/cscs/ethz | customer | ethz | pending | 775 | none | -
/iopsstor/archive/cscs/ethz/ethz-p03 | project | ethz-p03 | active | 770 | 100/200 TB 150000000/200000000 | 31009
/iopsstor/archive/cscs/mch | customer | mch | pending | 775 | none | -
/iopsstor/archive/cscs/mch/mch-p02 | project | mch-p02 | active | 2770 | 1/1 TB 1330000/2000000 | 31011
/iopsstor/archive/cscs/mch/mch-p03 | project | mch-p03 | active | 770 | 10/20 TB 15000000/20000000 | 31012
/iopsstor/scratch/cscs | tenant | cscs | pending | 775 | none | -
/iopsstor/scratch/cscs/empa | customer | empa | pending | 775 | none | -
/iopsstor/scratch/cscs/empa/empa-p03 | user | iopsstor-014 | pending | 770 | 10/10 TB 13300000/20000000 | 31003
/iopsstor/scratch/cscs/ethz | customer | ethz | pending | 775 | none | -
/iopsstor/scratch/cscs/ethz/ethz-p01 | user | iopsstor-030 | active | 775 | 10/10 TB 13300000/20000000 | 31007
/iopsstor/scratch/cscs/psi | customer | psi | pending | 775 | none | -
/iopsstor/scratch/cscs/psi/psi-p01 | user | iopsstor-006 | active | 775 | 1/2 TB 1500000/2000000 | 31013
/iopsstor/scratch/cscs/psi/psi-p02 | user | iopsstor-022 | updating | 2770 | 10/20 TB 15000000/20000000 | 31014
/iopsstor/scratch/cscs/psi/psi-p03 | user | iopsstor-038 | removed | 770 | 10/10 TB 13300000/20000000 | 31015
`
  .trim()
  .split("\n")

const quotasInShort = (quotas: Any): string =>
  quotas === null ? "none" : `${quotas[0].quota}/${quotas[1].quota} TB ${quotas[2].quota}/${quotas[3].quota}`

const lineOf = ({ mountPoint, target, status, permission, quotas }: Any): string => {
  const { targetType, targetItem } = target
  const key = targetType === "user" ? /^user-(.*)@example\.com$/.exec(targetItem.email)?.[1] : targetItem.key
  const gid = targetItem.unixGid ?? targetItem.primaryProject?.unixGid ?? "-"
  return [mountPoint.default, targetType, key, status, permission.value, quotasInShort(quotas), gid].join(" | ")
}

const aRecordedWaldur = () =>
  aProxy({
    world: worldOf({
      apiUrl,
      resources: structuredClone([...rows]),
      orders: recorded("orders.json"),
      offerings: structuredClone([...offerings]),
      customersByOffering: new Map([[capstor.uuid, recorded("customers-capstor.json")]]),
      gids: gids(),
    }),
  })

const entriesOf = async (proxy: TestedProxy): Promise<ReadonlyArray<Any>> => {
  const { status, json } = await proxy.list("page_size=500")
  expect(status).toBe(200)
  return json.resources
}

test("the recorded Waldur yields these 71 entries, in this order", async () => {
  const entries = await entriesOf(await aRecordedWaldur())
  expect(entries.map(lineOf)).toEqual(tree)
})

test("no recorded row is skipped", async () => {
  const proxy = await aRecordedWaldur()
  const { skipped, raw_resources } = (await proxy.list("debug=true&page_size=300")).json
  expect(skipped).toEqual([])
  expect(raw_resources.pagination.total).toBe(39)
})

test("itemIds are those of offering, customer and resource, and each entry's parent precedes it", async () => {
  const entries = await entriesOf(await aRecordedWaldur())
  const byPath = new Map(entries.map((entry) => [entry.mountPoint.default, entry]))
  const above = (path: string) => path.slice(0, path.lastIndexOf("/"))
  for (const { itemId, parentItemId, mountPoint, target, storageSystem, storageDataType } of entries) {
    const path: string = mountPoint.default
    const [, system, type] = path.split("/")
    expect([storageSystem.key, storageDataType.key]).toEqual([system, type])
    const row = rows.find(
      (one) =>
        one.offering_slug === system &&
        (target.targetType === "tenant" || path.split("/")[4] === one.customer_slug) &&
        (!["project", "user"].includes(target.targetType) ||
          ((one.attributes as WaldurRecord).storage_data_type === type && path.endsWith(`/${one.project_slug}`))),
    )
    if (target.targetType === "tenant") {
      expect([itemId, parentItemId]).toEqual([dashed(row?.offering_uuid), null])
      expect(target.targetItem).toEqual({ itemId, key: "cscs", name: "CSCS" })
    } else if (target.targetType === "customer") {
      expect([itemId, parentItemId]).toEqual([dashed(row?.customer_uuid), dashed(row?.offering_uuid)])
      expect(target.targetItem).toEqual({ itemId, key: row?.customer_slug, name: row?.customer_name })
    } else expect([itemId, parentItemId]).toEqual([dashed(row?.uuid), dashed(row?.customer_uuid)])
    if (parentItemId !== null) expect(byPath.get(above(path))?.itemId).toBe(parentItemId)
  }
})

test("an Update in progress has old and new quotas, and no other order has", async () => {
  const entries = await entriesOf(await aRecordedWaldur())
  const changed = entries.filter((entry) => "oldQuotas" in entry || "newQuotas" in entry)
  expect(
    changed.map(
      ({ mountPoint, oldQuotas, newQuotas }) =>
        `${mountPoint.default} | ${quotasInShort(oldQuotas)} | ${quotasInShort(newQuotas)}`,
    ),
  ).toEqual([
    // The options override space and inodes; if they repeat the values from the old limit, the limit that doubles counts.
    "/capstor/archive/cscs/empa/empa-p01 | 100/200 TB 150000000/200000000 | 200/200 TB 150000000/400000000",
    "/capstor/scratch/cscs/psi/psi-p03 | 5/5 TB 6650000/10000000 | 10/10 TB 13300000/20000000",
    "/capstor/store/cscs/mch/mch-p01 | 250/250 TB 332500000/500000000 | 500/500 TB 665000000/1000000000",
    "/vast/store/cscs/mch/mch-p02 | 10/10 TB 13300000/20000000 | 20/20 TB 26600000/40000000",
    "/iopsstor/archive/cscs/mch/mch-p03 | 10/20 TB 15000000/20000000 | 20/20 TB 15000000/40000000",
    "/iopsstor/scratch/cscs/psi/psi-p02 | 10/20 TB 15000000/20000000 | 20/20 TB 15000000/40000000",
  ])
  for (const entry of changed) {
    expect(Object.keys(entry).slice(4, 8)).toEqual(["quotas", "oldQuotas", "newQuotas", "target"])
  }
})

test("an order in progress has the callback URLs of its state, and of other entries only an Erred one has any", async () => {
  const proxy = await aRecordedWaldur()
  const entries = await entriesOf(proxy)
  const found = entries.flatMap((entry) => {
    const urls = Object.entries(entry).filter(([name]) => name.endsWith("_url"))
    return urls.length === 0 ? [] : [[entry.itemId, Object.fromEntries(urls)] as const]
  })
  const wanted = rows.flatMap((row) => {
    const order = row.order_in_progress as Any
    // A Creating resource whose order has not reached the provider is not served.
    if (row.state === "Creating" && order?.state === "pending-consumer") return []
    if (order === null && row.state !== "Erred") return []
    const api = proxy.sandbox.waldur.url
    const itemId = dashed(row.uuid)
    const onOrder = (action: string) => `${api}marketplace-orders/${order?.uuid}/${action}/`
    const onResource = (action: string) => `${api}marketplace-provider-resources/${itemId}/${action}/`
    return [
      [
        itemId,
        {
          ...(order?.state === "pending-provider" && {
            approve_by_provider_url: onOrder("approve_by_provider"),
            reject_by_provider_url: onOrder("reject_by_provider"),
            set_state_done_url: onOrder("set_state_done"),
            update_resource_options_url: onResource("update_options_direct"),
          }),
          ...(order?.state === "executing" && {
            set_state_done_url: onOrder("set_state_done"),
            set_state_erred_url: onOrder("set_state_erred"),
          }),
          set_backend_id_url: onResource("set_backend_id"),
          ...(["Creating", "Erred", "Updating", "Terminating"].includes(String(row.state)) && {
            set_state_ok_url: onResource("set_state_ok"),
          }),
        },
      ] as const,
    ]
  })
  expect(wanted.length).toBe(21)
  expect(Object.fromEntries(found)).toEqual(Object.fromEntries(wanted))
})

/** Sends a recorded response with its recorded headers, byte by byte. */
const replay = (name: string, response: ServerResponse, withBody: boolean) => {
  for (const line of fixture(`${name}.headers.txt`).trim().split(/\r?\n/).slice(1)) {
    const [header = "", value = ""] = line.split(/: (.*)/s)
    response.setHeader(header, value)
  }
  response.end(withBody ? fixture(`${name}.json`) : undefined)
}

/** The recorded Waldur: of 8.x it has `offering_slug` and `visible_to_providers`, not `order_state`. */
const replayServer = async (): Promise<string> => {
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://waldur")
    const list = (body: ReadonlyArray<unknown>) => {
      response.setHeader("X-Result-Count", String(body.length))
      response.end(request.method === "HEAD" ? undefined : JSON.stringify(body))
    }
    switch (pathname) {
      case "/api/marketplace-provider-resources/":
        if (searchParams.get("offering_slug") !== "capstor,vast,iopsstor") return list([])
        return replay("storage-query", response, request.method === "GET")
      case "/api/marketplace-provider-offerings/":
        return list(offerings)
      case `/api/marketplace-provider-offerings/${capstor.uuid}/customers/`:
      case `/api/marketplace-provider-offerings/${dashed(capstor.uuid)}/customers/`:
        return list(recorded("customers-capstor.json"))
      default:
        response.statusCode = 404
        response.end(JSON.stringify({ detail: "Not found." }))
    }
  }
  const server = createServer(answer)
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/`
}

test("the recorded bytes with their recorded headers yield the same 71 entries, without any filter by order", async () => {
  const url = await replayServer()
  const proxy = await aProxy({
    world: worldOf({ gids: gids() }),
    document: () => ({ waldur_api_url: url, callback_origins: [new URL(apiUrl).origin] }),
  })
  const entries: ReadonlyArray<Any> = JSON.parse(JSON.stringify(await entriesOf(proxy)).replaceAll(url, apiUrl))
  expect(entries.map(lineOf)).toEqual(tree)
  const ours = await aRecordedWaldur()
  const links = JSON.stringify(await entriesOf(ours)).replaceAll(ours.sandbox.waldur.url, apiUrl)
  expect(entries).toEqual(JSON.parse(links))
})

test("the two recorded pages are one list of 40 rows, each once", () => {
  expect(new Set(rows.map(({ uuid }) => uuid)).size).toBe(40)
  for (const page of [1, 2]) expect(fixture(`resources-page-${page}.headers.txt`)).toMatch(/^X-Result-Count: 40\r?$/m)
})
