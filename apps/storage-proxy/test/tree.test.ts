import { buildWorld } from "@cscs/sandbox"
import { property } from "@cscs/storage-model"
import { describe, expect, test } from "vitest"
import { aSandbox, environmentOf, finished, run, serving, staffEnvironmentOf } from "./a-process.ts"

interface Node {
  readonly entry: { readonly itemId: string; readonly parentItemId: string | null; readonly status: string }
  readonly isWanted: boolean
  readonly below: ReadonlyArray<Node>
}

const flat = (nodes: ReadonlyArray<Node>): ReadonlyArray<Node> => nodes.flatMap((node) => [node, ...flat(node.below)])

const shown = async (...args: ReadonlyArray<string>) => {
  const sandbox = await aSandbox({ world: buildWorld() })
  return finished(["tree", ...args], { environment: staffEnvironmentOf(sandbox) })
}

describe("tree", () => {
  test("has the same entries as the API, each below its parent", async () => {
    const sandbox = await aSandbox()
    const environment = environmentOf(sandbox)
    const [{ code, stdout, stderr }, { url }] = await Promise.all([
      finished(["tree", "--json"], { environment }),
      serving([], { environment }),
    ])
    expect([code, stderr]).toEqual([0, ""])
    const response = (await (await fetch(`${url}/api/storage-resources/?page_size=500`)).json()) as {
      resources: unknown[]
    }
    const tenants: ReadonlyArray<Node> = JSON.parse(stdout)
    expect(flat(tenants).map(({ entry }) => entry)).toEqual(response.resources)
    for (const node of flat(tenants)) {
      for (const { entry } of node.below) expect(entry.parentItemId).toBe(node.entry.itemId)
    }
  })

  test("shows system, data type, mount point, status, quota and GID", async () => {
    const { code, stdout } = await shown("--storage-system", "iopsstor", "--data-type", "users")
    expect(code).toBe(0)
    expect(stdout).toBe(`iopsstor users
alps-partner  /alps/users
├── fhnw  /alps/users/fhnw
│   └── ada  active  /alps/users/fhnw/ada  50 TB, 66.5M / 100M inodes  gid 31239
└── supsi  /alps/users/supsi
    └── grace  active  /alps/users/supsi/grace  50 TB, 66.5M / 100M inodes  gid 31240
cscs  /iopsstor/users/cscs
└── usi  /iopsstor/users/cscs/usi
    └── ics-hpc  active  /iopsstor/users/cscs/usi/ics-hpc  5 TB, 6.65M / 10M inodes  gid 31011
`)
  })

  test("shows the GID of a user's primary project, whatever else Waldur's item contains", async () => {
    const world = buildWorld({ edgeCases: false, resources: 200 })
    const users = world.resources.filter(({ attributes }) => property(attributes, "storage_data_type") === "users")
    expect(users.length).toBeGreaterThan(0)
    for (const resource of users) {
      resource.backend_metadata = {
        user_item: {
          itemId: "7b1e4a52-3c0f-4d1a-9c55-1f0e2a3b4c5d",
          unixUid: 25_001,
          unixGid: "\u001b[2J1",
          primaryProject: { name: "ada", unixGid: 45_002 },
        },
      }
    }
    const environment = staffEnvironmentOf(await aSandbox({ world }))
    const { stdout } = await finished(["tree", "--data-type", "users"], { environment })
    expect(new Set(stdout.match(/gid .*/g))).toEqual(new Set(["gid 45002"]))
  })

  test("counts the entries deeper than --depth", async () => {
    const [one, two] = await Promise.all([
      shown("--storage-system", "iopsstor", "--data-type", "users", "--depth", "1"),
      shown("--storage-system", "iopsstor", "--data-type", "users", "--depth", "2"),
    ])
    expect(one.stdout).toBe(
      "iopsstor users\nalps-partner  /alps/users  (4 below)\ncscs  /iopsstor/users/cscs  (2 below)\n",
    )
    expect(two.stdout).toMatch(/^└── usi {2}\/iopsstor\/users\/cscs\/usi {2}\(1 below\)$/m)
  })

  test("shows the parents of an entry that passes --status or --state", async () => {
    const [status, state] = await Promise.all([
      shown("--status", "error", "--json"),
      shown("--state", "Erred", "--json"),
    ])
    for (const { stdout } of [status, state]) {
      const nodes = flat(JSON.parse(stdout))
      expect(nodes.filter(({ entry }) => entry.status === "error")).toHaveLength(3)
      expect(nodes.filter(({ entry }) => entry.parentItemId === null)).toHaveLength(1)
    }
    // As in the API, where parents are always pending, but have the states of their children.
    expect(flat(JSON.parse(status.stdout)).filter(({ isWanted }) => isWanted)).toHaveLength(3)
    expect(flat(JSON.parse(state.stdout)).every(({ isWanted }) => isWanted)).toBe(true)
  })

  test("accepts only the filters of the API, reports what is allowed, and exits with 2", async () => {
    const [system, empty, state, depth, none] = await Promise.all([
      shown("--storage-system", "nope"),
      shown("--storage-system", ""),
      shown("--state", "Foo"),
      shown("--depth", "4"),
      shown("--data-type", "nowhere"),
    ])
    expect([system.code, empty.code, state.code, depth.code, none.code]).toEqual([2, 2, 2, 2, 0])
    expect(system.stderr).toBe("--storage-system: Invalid storage_system value. Allowed: capstor, vast, iopsstor\n")
    expect(empty.stderr).toMatch(/^--storage-system: storage_system cannot be empty\. Allowed: capstor/)
    expect(state.stderr).toMatch(/^--state: Input should be 'Creating', .*: Foo\n$/)
    expect(none.stdout).toBe("No entry passes the filters.\n")
  })

  test("ends without an error if its output is closed early", async () => {
    const sandbox = await aSandbox()
    const running = await run(["tree"], { environment: environmentOf(sandbox) })
    running.child.stdout?.destroy()
    expect([await running.ended, running.stderr()]).toEqual([0, ""])
  })
})
