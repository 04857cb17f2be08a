import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { describe, expect, test } from "vitest"
import { aDirectory, aFile, aSandbox, environmentOf, finished, serving } from "./a-process.ts"

const commands = [["serve", "--port", "0"], ["check"], ["export"]] as const

describe("a bad configuration", () => {
  test("ends every command with exit code 2, all problems at once, without stack trace or secret", async () => {
    const directory = await aDirectory()
    const file = join(directory, "config.yaml")
    await writeFile(
      file,
      "waldur_api_url: nowhere\nwaldur_api_token: [hunter2]\nwaldur_socks_proxy: bob:hunter2@proxy:1080\nstorage_sistems: {}\n",
    )
    const all = await Promise.all(commands.map((command) => finished([...command, "--config", file])))
    for (const { code, stdout, stderr } of all) {
      expect(code).toBe(2)
      expect(stdout).toBe("")
      for (const path of [
        "waldur_api_url",
        "waldur_api_token",
        "waldur_socks_proxy",
        "storage_sistems",
        "storage_systems",
      ]) {
        expect(stderr).toMatch(new RegExp(`^  ${path} \\(`, "m"))
      }
      expect(stderr).toContain(file)
      expect(stderr).not.toContain("hunter2")
      expect(stderr).not.toMatch(/^\s+at |node:internal|Error:/m)
    }
  })

  test("is also one whose YAML cannot be read, or is not there", async () => {
    const directory = await aDirectory()
    const alias = join(directory, "alias.yaml")
    await writeFile(alias, "waldur_api_token: *hunter2\n")
    const files = [alias, join(directory, "absent.yaml"), directory]
    const all = await Promise.all(files.map((file) => finished(["check", "--config", file])))
    for (const [index, { code, stderr }] of all.entries()) {
      const file = files[index] ?? ""
      expect([file, code]).toEqual([file, 2])
      expect(stderr).toContain(file)
      expect(stderr).not.toMatch(/^\s+at |hunter2/m)
    }
  })

  test("half a HPC User API in the environment is one, not made-up GIDs", async () => {
    const { HPC_USER_CLIENT_SECRET: _, ...environment } = environmentOf(await aSandbox())
    const { code, stderr } = await finished(["serve", "--port", "0"], { environment })
    expect(code).toBe(2)
    expect(stderr).toContain("hpc_user_api.client_secret")
  })
})

describe("the environment's own variables", () => {
  test("never end it, however wrong: each that is ignored is a line of the log, without a secret", async () => {
    const { stderr } = await serving([], {
      environment: {
        ...environmentOf(await aSandbox()),
        HTTPS_PROXY: "bob:hunter2@proxy.example.org:3128",
        ALL_PROXY: "ftp://bob:hunter2@proxy.example.org",
        NO_PROXY: "127.0.0.1,<local>",
        SSL_CERT_FILE: "/nowhere/ca.pem",
        OTEL_TRACES_EXPORTER: "zipkin",
        OTEL_EXPORTER_OTLP_HEADERS: "a b=hunter2",
      },
    })
    const logged = stderr()
    for (const variable of [
      "ALL_PROXY",
      "NO_PROXY",
      "SSL_CERT_FILE",
      "OTEL_TRACES_EXPORTER",
      "OTEL_EXPORTER_OTLP_HEADERS",
    ]) {
      expect(logged.split("\n").filter((line) => line.includes(`"${variable}`)).length).toBe(1)
    }
    // A proxy without scheme is one by HTTP.
    expect(logged).not.toContain('"HTTPS_PROXY')
    expect(logged).not.toContain("hunter2")
  })
})

describe("the command line", () => {
  test("an unknown flag or command, or a port that is none, is exit code 2", async () => {
    const file = await aFile(await aSandbox())
    const wrong = [["serve", "--prot", "1"], ["sreve"], ["serve", "--config", file, "--port", "http"]]
    const all = await Promise.all(wrong.map((args) => finished(args)))
    expect(all.map(({ code }, index) => [wrong[index], code])).toEqual(wrong.map((args) => [args, 2]))
    for (const { output } of all) expect(output).not.toMatch(/^\s+at /m)
  })

  test("--help and --version are answered with exit code 0", async () => {
    const [help, version] = await Promise.all([finished(["--help"]), finished(["--version"])])
    expect([help.code, version.code]).toEqual([0, 0])
    for (const command of ["serve", "check", "export"]) expect(help.stdout).toContain(command)
    expect(version.stdout).toMatch(/\d+\.\d+\.\d+/)
  })

  test("a port out of range is refused in words", async () => {
    const environment = environmentOf(await aSandbox())
    const { code, stderr } = await finished(["serve", "--port=65536"], { environment })
    expect(code).toBe(1)
    expect(stderr).not.toMatch(/^\s+at |node:internal/m)
    expect(stderr).toContain("Cannot listen at 127.0.0.1:65536: a port is a number from 0 to 65535")
  })
})
