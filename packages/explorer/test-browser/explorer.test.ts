import { readFile } from "node:fs/promises"
import type { RunningProxy } from "@cscs/harness"
import { buildWorld, changeResource, type Sandbox, startSandbox, type WaldurRecord } from "@cscs/sandbox"
import type { Browser, Page } from "playwright-core"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { openPage, pollNow, startBrowser, startServing, violations } from "./browser.ts"

let [browser, sandbox, proxy]: [Browser, Sandbox, RunningProxy] = [] as never
beforeAll(async () => {
  sandbox = await startSandbox({ world: buildWorld() })
  ;[browser, proxy] = await Promise.all([startBrowser(), startServing(sandbox)])
})
afterAll(async () => {
  await browser?.close()
  await proxy?.stop("SIGKILL")
  await sandbox?.close()
})

const open = async (query = "", options = {}): Promise<Page> => {
  const page = await openPage(browser, proxy.url, options)
  await page.goto(`/explorer/${query}`)
  return page
}
const openTree = async (query = "", options = {}): Promise<Page> => {
  const page = await open(query, options)
  await page.getByRole("row").nth(1).waitFor()
  return page
}
const rows = (page: Page) => page.getByRole("treegrid").getByRole("row")
const total = async (query = "") => {
  const response = await fetch(`${proxy.url}/api/storage-resources/?page_size=1&${query}`)
  return Number(response.headers.get("X-Total-Count"))
}
const focused = (page: Page) => page.evaluate(() => document.activeElement?.textContent ?? "")

/** Presses a copy button, and returns the clipboard's content. */
const copied = async (page: Page, button: RegExp) => {
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"])
  const copy = page.getByRole("button", { name: button }).first()
  await copy.click()
  await copy.getByText("Copied").waitFor()
  return page.evaluate(() => navigator.clipboard.readText())
}

describe("the explorer's tree", () => {
  it("is one click from the proxy's start page", async () => {
    const page = await openPage(browser, proxy.url)
    await page.goto("/")
    await page.getByRole("link", { name: "Explorer" }).click()
    await page.getByRole("treegrid").waitFor()
  })

  it("has a row for each entry, below its system and data type", async () => {
    const page = await openTree()
    await page.getByText(`${await total()} entries`).waitFor()
    expect(await rows(page).nth(1).getAttribute("aria-level")).toBe("1")
    expect(Number(await page.getByRole("treegrid").getAttribute("aria-rowcount"))).toBeGreaterThan(await total())
  })

  it("shows only what a filter selects, and keeps the filter in the URL", async () => {
    const page = await openTree()
    await page.getByLabel("Status").selectOption("removing")
    await page.waitForURL(/\?status=removing$/)
    await page.reload()
    await page.locator(".status").first().waitFor()
    expect(new Set(await page.locator(".status").allTextContents())).toEqual(new Set(["removing"]))
    expect(await page.locator(".status").count()).toBe(await total("status=removing"))
  })

  it("filters by a Waldur state through the API", async () => {
    const page = await openTree()
    await page.getByLabel("Waldur state").selectOption("Erred")
    await page.getByText(`${await total("state=Erred")} entries`).waitFor()
  })

  it("finds entries by path, name, UUID or GID as the user types, and offers to clear a search without matches", async () => {
    const page = await openTree()
    const entry = (await entries("status=active"))[0] as Listed
    for (const text of [entry.mountPoint.default, entry.itemId, String(entry.target.targetItem.unixGid)]) {
      await page.getByRole("searchbox").fill(text)
      await page.locator(".level5 .c0", { hasText: entry.target.targetItem.key }).first().waitFor()
    }
    await page.getByRole("searchbox").fill("no such thing")
    await page.getByRole("button", { name: "Clear filters" }).click()
    await page.getByText(`${await total()} entries`).waitFor()
  })

  it("works with the keyboard alone: into a branch, to an entry, and back", async () => {
    const page = await openTree()
    await rows(page).nth(1).focus()
    const count = () => page.getByRole("treegrid").getAttribute("aria-rowcount")
    const before = await count()
    await page.keyboard.press("ArrowLeft")
    expect(await rows(page).nth(1).getAttribute("aria-expanded")).toBe("false")
    await page.keyboard.press("ArrowRight")
    expect(await count()).toBe(before)
    for (const _ of Array(4)) await page.keyboard.press("ArrowRight")
    await page.locator(".level5:focus").waitFor()
    const name = await focused(page)
    await page.keyboard.press("End")
    await page.keyboard.press("Home")
    await page.locator(".level1:focus").waitFor()
    for (const _ of Array(4)) await page.keyboard.press("ArrowRight")
    await page.locator(".level5:focus").waitFor()
    expect(await focused(page)).toBe(name)
    await page.keyboard.press("Enter")
    await page.getByRole("complementary", { name: "Entry" }).waitFor()
    await page.keyboard.press("Escape")
    await page.locator(".level5:focus").waitFor()
    expect(await focused(page)).toBe(name)
  })

  it("scrolls until the focused row is wholly visible, at either end", async () => {
    const page = await openTree()
    await rows(page).nth(1).focus()
    const isVisible = () =>
      page.evaluate(() => {
        const [row, grid, head] = [document.activeElement, ...document.querySelectorAll(".grid, .head")].map((one) =>
          (one as Element).getBoundingClientRect(),
        ) as [DOMRect, DOMRect, DOMRect]
        return row.top >= head.bottom && row.bottom <= grid.bottom
      })
    for (const key of [
      ...Array(20).fill("ArrowDown"),
      "PageDown",
      "End",
      ...Array(20).fill("ArrowUp"),
      "PageUp",
      "Home",
    ]) {
      await page.keyboard.press(key)
      await expect.poll(isVisible, { message: key }).toBe(true)
    }
  })

  it("shows the old and new quotas of an update, and the status of a removal", async () => {
    const page = await openTree("?status=updating")
    await page.locator("del").first().waitFor()
    expect(await page.locator(".bars2").count()).toBeGreaterThan(0)
    await page.getByLabel("Status").selectOption("removing")
    await page.locator(".status.removing").first().waitFor()
  })

  it("exports exactly the entries that it shows", async () => {
    const page = await openTree("?status=removing")
    const download = page.waitForEvent("download")
    await page.getByRole("button", { name: "CSV" }).click()
    const lines = (await readFile((await (await download).path()) ?? "", "utf8")).trim().split("\r\n")
    expect(lines[0]).toContain("mount_point")
    expect(lines.filter((line) => line.includes('"removing"'))).toHaveLength(await total("status=removing"))
    const another = page.waitForEvent("download")
    await page.getByRole("button", { name: "JSON" }).click()
    const saved = JSON.parse(await readFile((await (await another).path()) ?? "", "utf8"))
    expect(saved.filter(({ status }: { status: string }) => status === "removing")).toEqual(
      (await entries("status=removing")).filter(({ status }) => status === "removing"),
    )
  })
})

interface Listed {
  readonly status: string
  readonly itemId: string
  readonly mountPoint: { readonly default: string }
  readonly target: {
    readonly targetType: string
    readonly targetItem: { readonly key: string; readonly unixGid: number }
  }
}
const entries = async (query: string) => {
  const response = await fetch(`${proxy.url}/api/storage-resources/?${query}`)
  return (JSON.parse(await response.text()) as { resources: Array<Listed> }).resources
}

describe("the explorer's views", () => {
  it("explain an entry: the source of each value, the equivalent commands, and its JSON", async () => {
    const page = await openTree("?status=updating")
    await page.locator(".level5").first().click()
    await page.getByText("Where each value comes from").waitFor()
    const panel = page.getByRole("complementary", { name: "Entry" })
    expect(await panel.textContent()).toMatch(
      /Next, by the \w+:.*curl -sS http.*\/explanation.*storage-proxy explain \//s,
    )
    expect(await copied(page, /^Copy the path/)).toMatch(/^\//)
    expect(await copied(page, /^Copy the curl command/)).toMatch(/^curl -sS http.*\/explanation$/)
    await page.getByText("The entry as JSON").click()
    expect(JSON.parse((await panel.locator("pre").textContent()) ?? "")).toHaveProperty("mountPoint")
    await page.reload()
    await page.getByText("Where each value comes from").waitFor()
  })

  it("list waiting entries by status, with the role that must act and the URL of the step", async () => {
    const page = await open("?view=waiting")
    await page.getByRole("heading", { name: "To be removed" }).waitFor()
    const text = (await page.getByRole("main").textContent()) ?? ""
    expect(text).toMatch(/The provisioner must remove the directory, then call set_state_done_url/)
    expect(text).toMatch(/The provider must accept the order/)
    const [, all, forOne, forOther, byKind = ""] =
      /^(\d+) entries wait: (\d+) for the \w+, (\d+) for the \w+\. ([^.]*)\./.exec(text) ?? []
    const kinds = Array.from(byKind.matchAll(/\d+/g), Number)
    expect([Number(forOne) + Number(forOther), kinds.reduce((sum, one) => sum + one, 0)]).toEqual([
      Number(all),
      Number(all),
    ])
    expect(await copied(page, /^Copy set_state_done_url/)).toMatch(/^http.*\/set_state_done\/$/)
  })

  it("list skipped records with reason and remedy", async () => {
    const page = await open("?view=problems")
    await page.getByRole("heading", { name: "Skipped" }).waitFor()
    await page.getByText(/^\d+ records are skipped and thus not in the list\. \d+ warnings concern the proxy/).waitFor()
    await page.getByText("resources share a mount point with another").waitFor()
    await page.getByText("Is also the mount point of").first().waitFor()
    await page
      .getByRole("button", { name: /^Explain and remedy/ })
      .first()
      .click()
    await page.getByText(/^It is skipped/).waitFor()
    await page.getByText(/^Next, by the/).waitFor()
  })

  it("report a change since the page was opened, and highlight its row", async () => {
    const page = await openTree("?status=active")
    const row = sandbox.world.resources.find(
      ({ state, backend_id, order_in_progress }) => state === "OK" && !backend_id && !order_in_progress,
    ) as WaldurRecord
    changeResource(sandbox.world, row, { state: "Erred" })
    // The first poll may return the previous list, because the refresh runs concurrently.
    for (let polls = 0; (await page.getByRole("button", { name: /^Changes \d/ }).count()) === 0; polls += 1) {
      expect(polls).toBeLessThan(1000)
      await pollNow(page)
    }
    await page.getByRole("button", { name: /^Changes/ }).click()
    await page.locator("li.changed", { hasText: "error" }).first().waitFor()
    expect(await violations(page)).toEqual([])
    await page.getByRole("button", { name: "Tree" }).click()
    await page.getByLabel("Status").selectOption("error")
    await page.locator(".row.changed").first().waitFor()
    expect(await violations(page)).toEqual([])
  })

  it("render again only the row of a changed entry and the sums above it, and nothing after a 304", async () => {
    const page = await openTree()
    await page.evaluate(() => {
      const grid = document.querySelector("[role=treegrid]") as Element
      const before = [...grid.querySelectorAll("[role=row]")]
      const redrawn = new Set<Element | null>()
      new MutationObserver((records) => {
        for (const { target } of records)
          redrawn.add((target instanceof Element ? target : target.parentElement)?.closest("[role=row]") ?? null)
      }).observe(grid, { subtree: true, childList: true, attributes: true, characterData: true })
      Object.assign(window, {
        redrawn: () => [...redrawn].map((row) => row?.querySelector(".c0")?.getAttribute("title") ?? "the grid"),
        areStillThere: () => before.every((row) => row.isConnected),
        /** A row and its ancestors. */
        lineage: (row: Element) => {
          const lineage = [row]
          for (let one: Element | null = row; one !== null; one = one.previousElementSibling)
            if (Number(one.ariaLevel) < Number(lineage.at(-1)?.ariaLevel)) lineage.push(one)
          return lineage.map((one) => one.querySelector(".c0")?.getAttribute("title"))
        },
      })
    })
    const redrawn = () => page.evaluate(() => (window as unknown as { redrawn(): Array<string> }).redrawn())
    const unchanged = page.waitForResponse((response) => response.status() === 304)
    await pollNow(page)
    await unchanged
    await page.evaluate(() => new Promise(requestAnimationFrame))
    expect(await redrawn()).toEqual([])

    const paths = await page
      .locator(".level5 .c0")
      .evaluateAll((cells) => cells.map((cell) => cell.getAttribute("title")))
    const visible = (await entries("status=active")).filter(({ mountPoint }) => paths.includes(mountPoint.default))
    const entryOf = ({ uuid }: WaldurRecord) => visible.find(({ itemId }) => itemId.replaceAll("-", "") === uuid)
    const row = sandbox.world.resources.find((one) => entryOf(one) !== undefined) as WaldurRecord
    const path = entryOf(row)?.mountPoint.default
    changeResource(sandbox.world, row, { state: "Erred" })
    for (let polls = 0; (await page.locator(".row.changed").count()) === 0; polls += 1) {
      expect(polls).toBeLessThan(1000)
      await pollNow(page)
    }
    const lineage = await page
      .locator(".row.changed")
      .evaluate((row) => (window as unknown as { lineage(row: Element): Array<string> }).lineage(row))
    expect(lineage[0]).toBe(path)
    for (const one of await redrawn()) expect(lineage).toContain(one)
    expect(await page.evaluate(() => (window as unknown as { areStillThere(): boolean }).areStillThere())).toBe(true)
  })

  it("have no accessibility violations, in light and dark mode", async () => {
    const page = await openTree("?status=updating")
    await page.locator(".level5").first().click()
    await page.getByText("Where each value comes from").waitFor()
    expect(await violations(page)).toEqual([])
    await page.getByRole("button", { name: "Close" }).click()
    expect(await violations(page)).toEqual([])
    for (const name of ["Waiting", "Problems", "Changes", "Health"]) {
      await page.getByRole("button", { name: new RegExp(`^${name}`) }).click()
      if (name === "Problems") await page.getByRole("heading", { name: "Skipped" }).waitFor()
      expect(await violations(page)).toEqual([])
    }
  })
})

/** Changes a JSON response of the proxy on its way to the page. */
const change = async <A>(page: Page, path: RegExp, changed: (body: A) => unknown) =>
  page.route(path, async (route) => {
    // A poll may still be on its way when the test ends and closes the page.
    const response = await route.fetch().catch(() => undefined)
    if (response !== undefined) await route.fulfill({ response, json: changed(await response.json()) })
  })
interface Findings {
  readonly skipped: ReadonlyArray<object>
  readonly warnings: ReadonlyArray<object>
}

describe("the list of problems", () => {
  it("counts all findings of a field, but shows only some of many", async () => {
    const page = await openPage(browser, proxy.url)
    const row = { uuid: null, slug: "s", offering_slug: "capstor", found: 1, reason: "too many" }
    const [some, many] = [Array(30).fill({ ...row, field: "first" }), Array(1234).fill({ ...row, field: "second" })]
    await change<Findings>(page, /debug=true/, (read) => ({ ...read, skipped: [...some, ...many], warnings: [] }))
    await page.goto("/explorer/?view=problems")
    await page.getByText("By field: second 1234, first 30.").waitFor()
    await page.getByText("1,034 more are not shown").waitFor()
    expect(await page.locator(".findings li").count()).toBe(230)
  })

  it("reports that the search matches none, which does not search the names of fields", async () => {
    const page = await open("?view=problems&q=offering_slug")
    await page.getByText("No record matches the filters and the search.").waitFor()
    await page.getByRole("button", { name: "Clear filters" }).click()
    await page.getByRole("heading", { name: "Skipped" }).waitFor()
  })
})

describe("the entry's panel", () => {
  it("shows why the last good entry is kept instead of what is explained", async () => {
    const page = await openPage(browser, proxy.url)
    await change<object>(page, /explanation$/, (read) => ({ ...read, found: [], guarded: ["Guarded for 5 s"] }))
    await page.goto("/explorer/")
    await page.locator(".level5").first().click()
    await page.getByRole("complementary", { name: "Entry" }).getByText("Guarded for 5 s.").waitFor()
  })

  it("reads an explanation again after a failure, with the next list", async () => {
    const page = await openTree()
    await page.route(/explanation$/, (route) => route.abort(), { times: 1 })
    await page.locator(".level5").first().click()
    await page.getByText("The explanation is not available. The proxy cannot be reached.").waitFor()
    await pollNow(page)
    await page.getByText("Where each value comes from").waitFor()
  })

  it("shows the new quotas of an update whose old ones are unknown", async () => {
    const page = await openPage(browser, proxy.url)
    await page.route(/storage-resources\/$/, async (route) => {
      const response = await route.fetch()
      const body = (await response.text()).replaceAll(
        /"quotas":\[[^\]]*\],"oldQuotas":\[[^\]]*\]/g,
        '"quotas":null,"oldQuotas":null',
      )
      await route.fulfill({ response, body })
    })
    await page.goto("/explorer/?status=updating")
    await page.locator(".level5 ins").first().waitFor()
    expect(await page.locator(".level5 del").first().textContent()).toBe("unknown")
    await page
      .locator(".level5", { has: page.locator("ins") })
      .first()
      .click()
    await page.locator(".quantities ins").first().waitFor()
  })

  it.each([
    ["a row of the tree", "", ".level5", 1280],
    ["a row of the tree on a narrow page", "", ".level5", 1000],
    ["a link of a list", "?view=waiting", ".cards button.link", 1280],
  ])("returns the focus to %s when Escape closes it", async (_, query, selector, width) => {
    const page = await open(query, { viewport: { width, height: 700 } })
    const opener = page.locator(selector).first()
    await opener.focus()
    await page.keyboard.press("Enter")
    await page.locator("aside.entry:focus").waitFor()
    await page.keyboard.press("Escape")
    await page.locator("aside.entry").waitFor({ state: "detached" })
    expect(await opener.evaluate((one) => one === document.activeElement)).toBe(true)
  })

  it("leaves the focus on a row that is clicked while it shows another entry", async () => {
    const page = await openTree()
    for (const at of [0, 1]) await page.locator(".level5").nth(at).click()
    await page.locator("aside.entry:focus").waitFor()
    await page.keyboard.press("Escape")
    await page.locator("aside.entry").waitFor({ state: "detached" })
    expect(
      await page
        .locator(".level5")
        .nth(1)
        .evaluate((one) => one === document.activeElement),
    ).toBe(true)
  })
})

describe("the explorer during a failure", () => {
  it("keeps the list while the network is down, reports the failure, and recovers", async () => {
    const page = await openTree()
    await page.context().setOffline(true)
    await page.evaluate(() => dispatchEvent(new Event("online")))
    await page.getByRole("alert").getByText("cannot be reached").waitFor()
    expect(await rows(page).count()).toBeGreaterThan(5)
    await page.context().setOffline(false)
    await page.getByRole("alert").waitFor({ state: "detached" })
  })

  it("reports a stale list and the failing upstream", async () => {
    const page = await openTree()
    const fault = sandbox.faults.set("waldur", { status: 403 })
    for (let polls = 0; (await page.getByRole("alert").count()) === 0; polls += 1) {
      expect(polls).toBeLessThan(1000)
      await pollNow(page)
    }
    expect(await page.getByRole("alert").textContent()).toMatch(/may be out of date.*Waldur is failing/)
    await page.getByRole("button", { name: /^Health/ }).click()
    await page.locator(".health.failing").waitFor()
    await page.getByText(/^failing for \d+ s, since 20/).waitFor()
    expect(await violations(page)).toEqual([])
    fault.clear()
  })

  it("reports a failing issuer without calling the list out of date", async () => {
    const page = await openTree()
    await page.route(/\/healthz\/ready$/, async (route) => {
      const response = await route.fetch()
      const report = await response.json()
      // The proxy may still report the failure of the test before.
      const upstreams = { waldur: { status: "ok" }, "hpc-user-api": { status: "ok" }, issuer: { status: "failing" } }
      await route.fulfill({ json: { ...report, upstreams } })
    })
    await pollNow(page)
    await page.getByRole("button", { name: /^Health/ }).click()
    await page.getByText("Sign-ins and new tokens may be refused: The issuer is failing.").waitFor()
    expect(await page.getByText("out of date").count()).toBe(0)
  })

  it("reports an empty list for a Waldur state, and offers to show all states", async () => {
    const page = await openPage(browser, proxy.url)
    await page.route(/\?state=Erred$/, (route) =>
      route.request().url().includes("/api/")
        ? route.fulfill({ body: "", headers: { ETag: '"none"' } })
        : route.continue(),
    )
    await page.goto("/explorer/?state=Erred")
    await page.getByText("The list is empty").waitFor()
    await page.getByRole("button", { name: "Show all Waldur states" }).click()
    await page.getByRole("treegrid").waitFor()
  })

  it("reports a missing list (502) if an upstream fails from the start", async () => {
    const unready = await startServing(sandbox, {
      isReady: false,
      environment: { WALDUR_API_TOKEN: sandbox.waldur.tokens.expired },
    })
    const page = await openPage(browser, unready.url)
    await page.goto("/explorer/")
    await page.getByText("An upstream of the proxy is failing.").waitFor()
    await page.getByRole("button", { name: "Retry now" }).waitFor()
    await unready.stop("SIGKILL")
  })
})
