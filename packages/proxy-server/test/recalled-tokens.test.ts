import { generateKeyPairSync, type KeyObject } from "node:crypto"
import { setImmediate as turn } from "node:timers/promises"
import { Clock, Effect, Exit } from "effect"
import fc from "fast-check"
import { createLocalJWKSet, SignJWT } from "jose"
import { describe, expect, onTestFinished, test, vi } from "vitest"
import type { IssuerKeys, KeySet } from "../src/auth/issuer-keys.ts"
import { makeJwtVerification } from "../src/auth/jwt-verification.ts"
import type { AuthSettings } from "../src/config/settings.ts"
import { aLockedProxy } from "./a-locked-proxy.ts"
import { type Got, until } from "./a-proxy.ts"

const statusOf = async (answer: Promise<Got>) => (await answer).status

/** How often a token's signature is checked while `act` runs. The sandbox checks others. */
const checksOf = async (token: string, act: () => Promise<unknown>): Promise<number> => {
  const content = token.slice(0, token.lastIndexOf("."))
  const verify = vi.spyOn(crypto.subtle, "verify")
  try {
    await act()
    return verify.mock.calls.filter(([, , , data]) => new TextDecoder().decode(data as Uint8Array) === content).length
  } finally {
    verify.mockRestore()
  }
}

const issuer = "https://issuer.example.org"
const auth = { issuer, audience: ["us"], requiredRoles: [], debugRoles: [] } as unknown as AuthSettings
/** 2026-01-01, in seconds. */
const epoch = 1_767_225_600

interface Signer {
  readonly privateKey: KeyObject
  readonly set: KeySet
}
const aSigner = (kid: string): Signer => {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519")
  return { privateKey, set: createLocalJWKSet({ keys: [{ ...publicKey.export({ format: "jwk" }), kid }] }) }
}
const signed = ({ privateKey }: Signer, claims: Record<string, unknown>) =>
  new SignJWT({ iss: issuer, aud: "us", sub: "robot", ...claims })
    .setProtectedHeader({ alg: "EdDSA", kid: "key" })
    .sign(privateKey)

/** A verification whose keys and clocks the test sets, in seconds; the wall clock and the monotonic one are apart. */
const aVerification = (first: KeySet) => {
  const state = { keys: first, wall: epoch, monotonic: 0 }
  const keys: IssuerKeys = {
    check: (by) => Effect.suspend(() => by(state.keys)),
    known: () => state.keys,
    renew: Effect.void,
  }
  const clock: Clock.Clock = {
    ...Clock.Clock.defaultValue(),
    currentTimeMillisUnsafe: () => state.wall * 1000,
    monotonicTimeNanosUnsafe: () => BigInt(state.monotonic) * 1_000_000_000n,
  }
  const make = () => makeJwtVerification(keys, auth, clock)
  const { recall, verify } = make()
  /** The bearer; otherwise the reason. */
  const verified = async (by: typeof verify, token: string): Promise<string> => {
    const exit = await Effect.runPromiseExit(by(token))
    return Exit.isSuccess(exit) ? `accepted ${exit.value.name}` : String(exit.cause)
  }
  return {
    state,
    recall,
    /** What the server does with a token. */
    decide: async (token: string) => {
      const principal = recall(token)
      return principal === undefined ? verified(verify, token) : `accepted ${principal.name}`
    },
    /** What it would do if it kept nothing. */
    decideAnew: (token: string) => verified(make().verify, token),
  }
}

describe("an accepted token", () => {
  test("has its signature checked once a minute, however often it is sent", async () => {
    const proxy = await aLockedProxy()
    const token = await proxy.sandbox.issuer.issueToken()
    const ten = async () => {
      for (let request = 0; request < 10; request += 1) expect(await statusOf(proxy.bearing(token))).toBe(200)
    }
    expect(await checksOf(token, ten)).toBe(1)
    await proxy.pass("59 seconds")
    expect(await checksOf(token, ten)).toBe(0)
    await proxy.pass("1 second")
    expect(await checksOf(token, ten)).toBe(1)
  })

  test("is named in the log each time", async () => {
    const proxy = await aLockedProxy()
    const token = await proxy.sandbox.issuer.issueToken({ preferred_username: "robot" })
    for (let request = 0; request < 3; request += 1) await proxy.bearing(token)
    const callers = proxy.logs.map((line) => JSON.parse(line).annotations.caller).filter((one) => one !== undefined)
    expect(callers).toEqual(["robot", "robot", "robot"])
  })

  test("opens nothing for the same content with another signature, without one, or in another form", async () => {
    const proxy = await aLockedProxy()
    const { issuer } = proxy.sandbox
    const token = await issuer.issueToken()
    expect(await statusOf(proxy.bearing(token))).toBe(200)
    const [header = "", payload = "", signature = ""] = token.split(".")
    const forged = [
      `${header}.${payload}.${signature.startsWith("A") ? "B" : "A"}${signature.slice(1)}`,
      `${header}.${payload}.`,
      `${header}.${payload}`,
      `${Buffer.from('{"alg":"none"}').toString("base64url")}.${payload}.`,
      `${token}x`,
      token.slice(0, -3),
      token.toLowerCase(),
    ]
    for (const one of forged) expect(await statusOf(proxy.bearing(one))).toBe(401)
    expect(await statusOf(proxy.bearing(token))).toBe(200)
  })

  test("is refused once it has expired by the wall clock, within the minute too", async () => {
    const proxy = await aLockedProxy()
    const token = await proxy.sandbox.issuer.issueToken({}, { expiresIn: 20 })
    expect(await statusOf(proxy.bearing(token))).toBe(200)
    await proxy.pass("49 seconds")
    expect(await statusOf(proxy.bearing(token))).toBe(200)
    await proxy.pass("1 second")
    expect((await proxy.bearing(token)).json.detail).toBe("The token is expired")
    const other = await proxy.sandbox.issuer.issueToken({}, { expiresIn: 3600 })
    expect(await statusOf(proxy.bearing(other))).toBe(200)
    // A suspended machine: its monotonic clock stood still.
    proxy.setWallClock(2 * 3600 * 1000)
    expect((await proxy.bearing(other)).json.detail).toBe("The token is expired")
  })

  test("is decided on as if nothing were kept, whatever the clocks and the keys do", async () => {
    const signers = [aSigner("key"), aSigner("key")] as const
    const tokens = await Promise.all(
      signers.flatMap((signer) => [
        signed(signer, { exp: epoch + 100 }),
        signed(signer, { exp: epoch + 20 }),
        signed(signer, { exp: epoch + 5000, nbf: epoch + 10, iat: epoch + 5 }),
        signed(signer, { exp: epoch + 5000, aud: "others" }),
        signed(signer, { exp: epoch + 5000, name: "x".repeat(9000) }),
      ]),
    )
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ token: fc.nat(tokens.length - 1) }) },
      { weight: 2, arbitrary: fc.record({ pass: fc.nat(70) }) },
      { weight: 1, arbitrary: fc.record({ wall: fc.integer({ min: -100, max: 100 }) }) },
      { weight: 1, arbitrary: fc.record({ keys: fc.nat(1) }) },
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const { state, decide, decideAnew } = aVerification(signers[0].set)
        for (const one of steps) {
          if ("token" in one) {
            const token = tokens[one.token] ?? ""
            expect(await decide(token)).toBe(await decideAnew(token))
          } else if ("keys" in one) state.keys = signers[one.keys]?.set ?? state.keys
          else {
            const by = "pass" in one ? one.pass : 0
            state.monotonic += by
            state.wall += "wall" in one ? one.wall : by
          }
        }
      }),
      { numRuns: 60 },
    )
  })

  test("is verified anew with each set of keys that is fetched, and only with the one that verified it", async () => {
    const signer = aSigner("key")
    const token = await signed(signer, { exp: epoch + 5000 })
    const { state, recall, decide } = aVerification(signer.set)
    await decide(token)
    expect(recall(token)).toEqual({ name: "robot", mayDebug: true })
    state.keys = aSigner("key").set
    expect(recall(token)).toBeUndefined()
  })

  test("is dropped when many others came since, by the length of their names", async () => {
    const signer = aSigner("key")
    const { recall, decide } = aVerification(signer.set)
    const first = await signed(signer, { exp: epoch + 5000 })
    await decide(first)
    let last = ""
    for (let number = 0; number < 120; number += 1) {
      last = await signed(signer, { exp: epoch + 5000, sub: `${number} ${"x".repeat(10_000)}` })
      await decide(last)
    }
    expect([recall(first), recall(last)?.name.length]).toEqual([undefined, 10_004])
  })
})

describe("a refused token", () => {
  test("is checked each time, and is good once the reason is gone", async () => {
    const proxy = await aLockedProxy()
    const { issuer } = proxy.sandbox
    const forged = `${(await issuer.issueToken()).slice(0, -10)}AAAAAAAAAA`
    const twice = async () => {
      for (const _ of [1, 2]) expect(await statusOf(proxy.bearing(forged))).toBe(401)
    }
    expect(await checksOf(forged, twice)).toBe(2)
    const early = await issuer.issueToken({ nbf: Math.floor(Date.parse("2100-01-01") / 1000) }, {})
    expect(await statusOf(proxy.bearing(early))).toBe(401)
    const soon = await issuer.issueToken({ nbf: (await now(proxy)) + 60 })
    expect(await statusOf(proxy.bearing(soon))).toBe(401)
    await proxy.pass("31 seconds")
    expect(await statusOf(proxy.bearing(soon))).toBe(200)
  })
})

/** The issuer's time, in seconds: that of a new token. */
const now = async ({ sandbox }: Awaited<ReturnType<typeof aLockedProxy>>): Promise<number> => {
  const [, payload = ""] = (await sandbox.issuer.issueToken()).split(".")
  return JSON.parse(Buffer.from(payload, "base64url").toString()).iat
}

describe("while many callers poll with their tokens", () => {
  test("a withdrawn key opens nothing from the moment that the new keys are there", async () => {
    const proxy = await aLockedProxy()
    const { issuer } = proxy.sandbox
    const old = await Promise.all(Array.from({ length: 8 }, () => issuer.issueToken({}, { expiresIn: 86_400 })))
    for (const token of old) expect(await statusOf(proxy.bearing(token))).toBe(200)
    let isPolling = true
    onTestFinished(() => {
      isPolling = false
    })
    let areThere = false
    let begunAfterwards = 0
    const wrong: Array<number> = []
    const poll = async (token: string) => {
      while (isPolling) {
        const isAfterwards = areThere
        const status = await statusOf(proxy.bearing(token))
        if (status !== (isAfterwards ? 401 : 200) && (isAfterwards || status !== 401)) wrong.push(status)
        if (isAfterwards) begunAfterwards += 1
        // A request that waits for nothing would leave no turn to the others.
        await turn()
      }
    }
    const polling = Promise.all(old.map(poll))
    await proxy.pass("31 seconds")
    await issuer.rotateKeys()
    for (let round = 0; round < 5; round += 1) {
      expect(await statusOf(proxy.bearing(old[round] ?? ""))).toBe(200)
    }
    expect(await statusOf(proxy.bearing(await issuer.issueToken()))).toBe(200)
    areThere = true
    await until(() => begunAfterwards >= 80)
    isPolling = false
    await polling
    expect([wrong, proxy.keyFetches()]).toEqual([[], 2])
  })

  test("a withdrawn key opens nothing once the keys of ten minutes ago are replaced, though no new token comes", async () => {
    const proxy = await aLockedProxy()
    const { issuer } = proxy.sandbox
    const old = await issuer.issueToken({}, { expiresIn: 86_400 })
    expect(await statusOf(proxy.bearing(old))).toBe(200)
    await issuer.rotateKeys()
    // Verified shortly before, so that it is kept when the keys grow old.
    await proxy.pass("590 seconds")
    expect(await statusOf(proxy.bearing(old))).toBe(200)
    await proxy.pass("11 seconds")
    expect(await statusOf(proxy.bearing(old))).toBe(200)
    await until(() => proxy.keyFetches() === 2)
    await until(async () => (await statusOf(proxy.bearing(old))) === 401)
  })
})
