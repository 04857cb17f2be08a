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

test("the build stage gets the sources and the manifests, and no test and no tool but the one that tests depend on", async () => {
  const files = await contextFiles(workspace)
  const has = (path: string) => files.some((file) => file.startsWith(path))
  const seen = ["package.json", "pnpm-lock.yaml", "packages/proxy-server/src/", "tools/harness/package.json"]
  const hidden = ["tools/soak/", "docs/", "packages/proxy-server/test/", "apps/storage-proxy/test-replicas/"]
  expect([seen.filter((path) => !has(path)), hidden.filter(has)]).toEqual([[], []])
})

test("alerts and dashboard pass, and a nonexistent metric is detected", async () => {
  expect(await checkMonitoring(workspace, undefined)).toMatch(/\d+ alerts/)
  await expect(checkMonitoring(workspace, new Set())).rejects.toThrow(/no such metric: storage_proxy_/)
  const { groups } = JSON.parse(await dashboardQueries(workspace))
  expect(groups[0].rules.length).toBeGreaterThan(5)
  expect(JSON.stringify(groups)).not.toContain("$")
})

test("YAML documents are read without the empty ones, and an error is thrown", () => {
  expect(readYaml("a: 1\n---\n---\nb: 2\n")).toEqual([{ a: 1 }, { b: 2 }])
  expect(() => readYaml("a: [")).toThrow()
})
