import { X509Certificate } from "node:crypto"
import { mkdir, readFile, symlink, truncate, writeFile } from "node:fs/promises"
import { createServer } from "node:https"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { getCACertificates, setDefaultCACertificates } from "node:tls"
import { makeTransport } from "@cscs/http-transport"
import { Effect } from "effect"
import { afterEach, describe, expect, onTestFinished, test } from "vitest"
import { trustAuthorities } from "../src/trusted-authorities.ts"
import { aDirectory } from "./a-process.ts"

const fixture = (name: string) =>
  readFile(new URL(`../../../packages/http-transport/test/fixtures/${name}`, import.meta.url), "utf8")

const before = getCACertificates("default")
/** Each PEM certificate is written in several ways, with other line ends or lengths. */
const fingerprint = (pem: string) => new X509Certificate(pem).fingerprint256
const trusted = () => new Set(getCACertificates("default").map(fingerprint))
const trustedBefore = trusted()
afterEach(() => setDefaultCACertificates(before))

/** The error of a call to an https server with an untrusted certificate; "none" if it succeeds. */
const failureOfCall = async () => {
  const server = createServer(
    { cert: await fixture("localhost.cert.pem"), key: await fixture("localhost.key.pem") },
    (_, response) => response.end("[1]"),
  ).listen(0, "127.0.0.1")
  await new Promise((listening) => server.once("listening", listening))
  onTestFinished(() => void server.close())
  const baseUrl = `https://127.0.0.1:${(server.address() as AddressInfo).port}/`
  const call = Effect.flatMap(makeTransport({ upstream: "test", baseUrl }), (one) =>
    one.call({ method: "GET", path: "" }),
  )
  const failed = Effect.match(call, { onSuccess: () => "none", onFailure: (error) => error.message })
  return Effect.runPromise(Effect.scoped(failed))
}

describe("authorities from the environment", () => {
  test("are trusted in addition to the system's, from a file and from a directory", async () => {
    const directory = await aDirectory()
    const file = join(directory, "ca.pem")
    const bundle = [before[0], await fixture("localhost.cert.pem")]
    await writeFile(file, bundle.join("\n"))
    expect(await failureOfCall()).toMatch(/ tls: .*self.signed/)
    for (const environment of [{ SSL_CERT_FILE: ` ${file}\n` }, { SSL_CERT_DIR: `${directory}:` }]) {
      expect(trustAuthorities(environment)).toEqual({ added: 1, warnings: [] })
      expect(await failureOfCall()).toBe("none")
      expect(trusted()).toEqual(new Set([...trustedBefore, fingerprint(await fixture("localhost.cert.pem"))]))
      // Again, as after a re-read of the settings.
      expect(trustAuthorities(environment)).toEqual({ added: 0, warnings: [] })
      setDefaultCACertificates(before)
    }
  })

  test("in a directory are trusted if they are readable, whatever else it contains", async () => {
    const directory = await aDirectory()
    await mkdir(join(directory, "sub"))
    await symlink("/nowhere", join(directory, "0a0b0c0d.0"))
    await writeFile(join(directory, "readme"), "-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n")
    await writeFile(join(directory, "a.crt"), await fixture("other.cert.pem"))
    await writeFile(join(directory, "b.pem"), await fixture("other.cert.pem"))
    expect(trustAuthorities({ SSL_CERT_DIR: directory })).toEqual({ added: 1, warnings: [] })
  })

  test("that cannot be read cause a warning each, and nothing else changes", async () => {
    const directory = await aDirectory()
    const text = join(directory, "text")
    const large = join(directory, "large")
    await writeFile(text, "no certificate")
    await writeFile(large, "")
    await truncate(large, 9 * 1024 * 1024)
    const samples: ReadonlyArray<readonly [Record<string, string>, RegExp]> = [
      [{ SSL_CERT_FILE: "/nowhere/ca.pem" }, /^SSL_CERT_FILE is ignored: \/nowhere\/ca\.pem cannot be read: ENOENT$/],
      [{ SSL_CERT_FILE: directory }, /not a regular file$/],
      [{ SSL_CERT_FILE: "/dev/zero" }, /not a regular file$/],
      [{ SSL_CERT_FILE: text }, /holds no certificate in PEM$/],
      [{ SSL_CERT_FILE: large }, /more than \d+ bytes$/],
      [{ SSL_CERT_FILE: "a\0b" }, /cannot be read/],
      [{ SSL_CERT_DIR: "/nowhere" }, /^SSL_CERT_DIR is ignored: \/nowhere cannot be read: ENOENT$/],
      [{ SSL_CERT_DIR: directory }, /holds no certificate in PEM$/],
      [{ REQUESTS_CA_BUNDLE: "/ca.pem" }, /^REQUESTS_CA_BUNDLE is not read: name the file in SSL_CERT_FILE$/],
      [{ CURL_CA_BUNDLE: "/ca.pem" }, /^CURL_CA_BUNDLE is not read/],
    ]
    for (const [environment, expected] of samples) {
      const { added, warnings } = trustAuthorities(environment)
      expect([added, warnings]).toEqual([0, [expect.stringMatching(expected)]])
    }
    expect(trusted()).toEqual(trustedBefore)
  })

  test("are not added, and cause no warning, if nothing is set", () => {
    expect(trustAuthorities({ SSL_CERT_FILE: "", SSL_CERT_DIR: " ", CURL_CA_BUNDLE: "" })).toEqual({
      added: 0,
      warnings: [],
    })
  })
})
