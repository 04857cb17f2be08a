import { join } from "node:path"
import { imageEnvironment, stagesOf, wordsOf } from "@cscs/harness"
import { expect, test } from "vitest"
import { contextFiles } from "../src/built-app.ts"
import { checkMonitoring, dashboardQueries } from "../src/monitoring.ts"
import { readYaml } from "../src/read-yaml.ts"

const workspace = join(import.meta.dirname, "../../..")

test("the Dockerfile has a build stage and a serving stage", async () => {
  const [build = [], image = []] = await stagesOf()
  expect(build.some(({ name, text }) => name === "RUN" && text.includes("make-app-folder.ts /app"))).toBe(true)
  expect(wordsOf(image, "ENTRYPOINT")).toEqual(["/app/dist/main.js"])
  expect(() => wordsOf(image, "ONBUILD")).toThrow(/no ONBUILD/)
  expect(await imageEnvironment()).toMatchObject({ NODE_ENV: "production", MALLOC_ARENA_MAX: "2" })
})

test("the image's build context contains sources and manifests, but no tests, documents or tools except the harness", async () => {
  const files = await contextFiles(workspace)
  const has = (path: string) => files.some((file) => file.startsWith(path))
  const included = ["package.json", "pnpm-lock.yaml", "packages/proxy-server/src/", "tools/harness/package.json"]
  const excluded = ["tools/soak/", "docs/", ".github/", "packages/proxy-server/test/", "apps/provisioner/test-loop/"]
  expect([included.filter((path) => !has(path)), excluded.filter(has)]).toEqual([[], []])
})

test("checkMonitoring accepts the alerts and the dashboard, and rejects a metric that does not exist", async () => {
  expect(await checkMonitoring(workspace, undefined)).toMatch(/\d+ alerts/)
  await expect(checkMonitoring(workspace, new Set())).rejects.toThrow(/exports no metric storage_proxy_/)
  const { groups } = JSON.parse(await dashboardQueries(workspace))
  expect(groups[0].rules.length).toBeGreaterThan(5)
  expect(JSON.stringify(groups)).not.toContain("$")
})

test("readYaml skips empty documents, and throws on invalid YAML", () => {
  expect(readYaml("a: 1\n---\n---\nb: 2\n")).toEqual([{ a: 1 }, { b: 2 }])
  expect(() => readYaml("a: [")).toThrow()
})
