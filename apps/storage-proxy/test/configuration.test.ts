import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { describe, expect, test } from "vitest"
import { aDirectory, aSandbox, environmentOf, finished, serving } from "./a-process.ts"

const commands = [["serve", "--port", "0"], ["check"], ["export"]] as const

describe("a bad configuration", () => {
  test("ends every command with exit code 2 and all problems at once, without stack trace or secret", async () => {
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

  test("includes a file that does not exist, is a directory, or has no valid YAML", async () => {
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

  test("includes an incomplete HPC User API in the environment, which gives no mock GIDs", async () => {
    const { HPC_USER_CLIENT_SECRET: _, ...environment } = environmentOf(await aSandbox())
    const { code, stderr } = await finished(["serve", "--port", "0"], { environment })
    expect(code).toBe(2)
    expect(stderr).toContain("hpc_user_api.client_secret")
  })
})

describe("bad values of general environment variables", () => {
  test("never end the process: each ignored one is logged, without a secret", async () => {
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
      "Unknown items of OTEL_TRACES_EXPORTER",
      "OTEL_EXPORTER_OTLP_HEADERS",
    ]) {
      expect(logged.split("\n").filter((line) => line.includes(`"${variable}`)).length).toBe(1)
    }
    // A proxy without a scheme is an HTTP proxy.
    expect(logged).not.toContain('"HTTPS_PROXY')
    expect(logged).not.toContain("hunter2")
  })
})

describe("the command line", () => {
  test.each([
    ["an unknown flag", ["serve", "--prot", "1"]],
    ["an unknown command", ["sreve"]],
    ["a port that is not a number", ["serve", "--port", "http"]],
    ["the port 99999", ["serve", "--port", "99999"]],
    ["the port 65536", ["serve", "--port=65536"]],
    ["a negative port", ["serve", "--port", "-1"]],
    ["a port with a fraction", ["serve", "--port", "80.5"]],
    ["an empty port", ["serve", "--port", ""]],
    ["a flag without its value", ["serve", "--port"]],
    ["an empty host", ["serve", "--host", ""]],
    ["an empty configuration path", ["serve", "--config", ""]],
    ["a surplus argument", ["serve", "now"]],
    ["a missing argument", ["explain"]],
    ["an unknown format", ["export", "--format", "xml"]],
    ["an unknown log level", ["serve", "--log-level", "loud"]],
    ["a configuration file that does not exist", ["check", "--config", "/nowhere/config.yaml"]],
    ["no command", []],
  ])("%s exits with 2, with the reason on standard error", async (_, args) => {
    const environment = environmentOf(await aSandbox())
    const { code, stdout, stderr } = await finished(args, { environment })
    expect([args, code]).toEqual([args, 2])
    expect(stdout + stderr).not.toMatch(/^\s+at |node:internal/m)
    if (args.length > 0) expect(stderr).not.toBe("")
  })

  test("--help and --version exit with 0", async () => {
    const [help, version] = await Promise.all([finished(["--help"]), finished(["--version"])])
    expect([help.code, version.code]).toEqual([0, 0])
    for (const command of ["serve", "check", "export"]) expect(help.stdout).toContain(command)
    expect(version.stdout).toMatch(/\d+\.\d+\.\d+/)
  })

  test("an address that cannot be listened at exits with 1 and a one-sentence error", async () => {
    const environment = environmentOf(await aSandbox())
    // TEST-NET-1 is on no host (RFC 5737), and .invalid is not a name (RFC 6761).
    const hosts = { "192.0.2.1": "this host does not have the address", "no.invalid": "the name has no address" }
    for (const [host, reason] of Object.entries(hosts)) {
      const { code, stderr } = await finished(["serve", "--host", host, "--port", "0"], { environment })
      expect([host, code]).toEqual([host, 1])
      expect(stderr).toContain(`Cannot listen at ${host}:0: ${reason}`)
      expect(stderr).not.toMatch(/^\s+at |node:internal/m)
    }
  })
})
