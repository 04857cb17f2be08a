import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { createServer } from "node:https"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Sandbox, startSandbox } from "@cscs/sandbox"
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest"
import { type Document, hpcUserSection } from "../a-proxy.ts"
import { aWorld } from "../a-world.ts"
import { type OwnCertificate, ownCertificate } from "./a-certificate.ts"
import { anObservedProxy, expectHonest } from "./a-patient-observer.ts"

let sandbox: Sandbox
let directory: string
beforeAll(async () => {
  sandbox = await startSandbox({ world: aWorld(6) })
  directory = await mkdtemp(join(tmpdir(), "certificates-"))
})
afterAll(async () => {
  await sandbox.close()
  await rm(directory, { recursive: true })
})

interface Place {
  readonly url: string
  /** The certificate file of the trusted authority. */
  readonly authority?: string
  readonly connections?: () => number
}

/** A TLS server that no request reaches. */
const behind = async ({ cert, key }: OwnCertificate): Promise<Required<Omit<Place, "authority">>> => {
  let connections = 0
  const server = createServer({ cert, key }, (_, response) => response.end("{}"))
  server.on("connection", () => {
    connections += 1
  })
  server.on("tlsClientError", () => {})
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  onTestFinished(() => void server.close())
  return { url: `https://127.0.0.1:${(server.address() as AddressInfo).port}/`, connections: () => connections }
}

/** A port that was free a moment ago. */
const closedPort = async (): Promise<Place> => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return { url: `http://127.0.0.1:${port}/` }
}

const expired = async (): Promise<Place> => {
  const certificate = ownCertificate("2020-01-01", "2021-01-01")
  const authority = join(directory, "authority.pem")
  await writeFile(authority, certificate.cert)
  return { ...(await behind(certificate)), authority }
}

// What is wrong with the connection, the log's word for it, and whether it is retried.
const ways: ReadonlyArray<readonly [name: string, place: () => Promise<Place>, reported: RegExp, isRepeated: boolean]> =
  [
    [
      "whose name has no address",
      async () => ({ url: "http://no-such-host.invalid/" }),
      /dns|no-such-host\.invalid/,
      true,
    ],
    ["that refuses connections", closedPort, /connect/, true],
    [
      "with a self-signed certificate",
      () => behind(ownCertificate("2020-01-01", "2049-01-01")),
      /tls.*self-signed/,
      false,
    ],
    ["with a certificate that has expired", expired, /tls.*expired/, false],
  ]

type At = (place: Place, sandbox: Sandbox) => Document
const ca = ({ authority }: Place, key: string) => (authority === undefined ? {} : { [key]: authority })

const upstreams: ReadonlyArray<readonly [name: string, status: number, at: At]> = [
  ["Waldur", 502, (place) => ({ waldur_api_url: place.url, ...ca(place, "waldur_ca_file") })],
  [
    "the HPC User API",
    502,
    (place, box) => ({ hpc_user_api: { ...hpcUserSection(box), api_url: place.url, ...ca(place, "ca_file") } }),
  ],
  [
    "the HPC User API's token endpoint",
    502,
    (place, box) => ({
      hpc_user_api: { ...hpcUserSection(box), oidc_token_url: `${place.url}token`, ...ca(place, "ca_file") },
    }),
  ],
  [
    "the issuer",
    503,
    (place, { issuer: { url: issuer, audience } }) => ({
      auth: { keycloak_url: place.url, issuer, keycloak_client_id: audience.clientId, ...ca(place, "ca_file") },
    }),
  ],
]

describe.each(upstreams)("%s", (_, status, at) => {
  test.each(ways)(
    "%s causes an error status, and is logged with its reason",
    async (_, place, reported, isRepeated) => {
      const there = await place()
      const proxy = await anObservedProxy(sandbox, { document: (box) => at(there, box) })
      const token = await sandbox.issuer.issueToken()
      const headers = { Authorization: `Bearer ${token}` }
      const [got, seconds] = await proxy.timed(proxy.get("/api/storage-resources/", { headers }))
      expect(got.status).toBe(status)
      expect(got.text).not.toMatch(/127\.0\.0\.1|invalid|certificate/)
      expect(proxy.logs.some((line) => reported.test(line) && /"event":"(refresh|request)-failed"/.test(line))).toBe(
        true,
      )
      if (!isRepeated) {
        expect(seconds).toBeLessThanOrEqual(1)
        // Five calls run in parallel: those of the refresh at the start and of the one that the request causes.
        expect(there.connections?.()).toBeLessThanOrEqual(10)
      }
      expectHonest(proxy)
    },
  )
})
