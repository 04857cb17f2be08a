import { spawn } from "node:child_process"
import { once } from "node:events"
import { readFile } from "node:fs/promises"
import { text } from "node:stream/consumers"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "vitest"
import { readmeExample } from "../../../readme-example.ts"
import { aSandbox, environmentOf, serving } from "./a-process.ts"

/** In the root folder, so that the sandbox can act as the services in the examples. */
const packages = [
  "storage-model",
  "http-transport",
  "waldur-client",
  "hpc-user-client",
  "storage-client",
  "proxy-server",
]
const folderOf = (name: string) => fileURLToPath(new URL(`../../../packages/${name}`, import.meta.url))

/** Runs TypeScript in a package's folder, where the package resolves itself by name. */
const run = async (source: string, folder: string, environment: Record<string, string>) => {
  const child = spawn(process.execPath, ["--input-type=module-typescript", "-"], {
    cwd: folder,
    env: { PATH: process.env.PATH, NO_COLOR: "1", ...environment },
    stdio: "pipe",
  })
  child.stdin.end(source)
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")])
  return { stdout, stderr, code }
}

describe("README", () => {
  it.each(packages)("of %s: its example runs", async (name) => {
    const sandbox = await aSandbox()
    const { source, prints } = await readmeExample(folderOf(name))
    const environment = environmentOf(sandbox)
    // The only package whose service is the proxy itself.
    if (name === "storage-client") environment.STORAGE_PROXY_URL = (await serving([], { environment })).url
    const { stdout, stderr, code } = await run(source, folderOf(name), environment)
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.not.stringMatching(/error/i) })
    expect(stdout).toEqual(prints ?? expect.stringMatching(/\w/))
  })

  it.each(packages)("of %s: its table lists exactly the exports", async (name) => {
    const entryPoint = await readFile(`${folderOf(name)}/src/index.ts`, "utf8")
    const exported = [...entryPoint.matchAll(/^export (?:type )?(?:\{([^}]*)\}|\* as (\w+))/gm)]
      .flatMap(([, names, namespace]) => (names ?? namespace ?? "").split(","))
      .map((name) => name.replace(/^\s*type /, "").trim())
      .filter((name) => name !== "")
    const readme = await readFile(`${folderOf(name)}/README.md`, "utf8")
    const [table = ""] = /(?<=^## API\n+)(?:\|.*\n)+/m.exec(readme) ?? []
    const named = [...table.matchAll(/^\| (`.*?`) \|/gm)].flatMap(
      ([, cell = ""]) => cell.match(/(?<=`)\w+(?=`)/g) ?? [],
    )
    expect(named.toSorted()).toEqual(exported.toSorted())
  })
})

describe("the docstring of an entry point", () => {
  it.each(packages)("of %s: its example runs", async (name) => {
    const entryPoint = await readFile(`${folderOf(name)}/src/index.ts`, "utf8")
    const [, commented = ""] = /@example\n \* ```ts\n([\s\S]*?) \* ```/.exec(entryPoint) ?? []
    const source = commented.replaceAll(/^ \* ?/gm, "")
    expect(source).toContain(`from "@cscs/${name}"`)
    const { stderr, code } = await run(source, folderOf(name), environmentOf(await aSandbox()))
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
  })
})
