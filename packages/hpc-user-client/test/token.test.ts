import { RotatingSecret } from "@cscs/http-transport"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { HpcUserClient, type HpcUserClientOptions } from "../src/index.ts"
import { clientSecret, type FakeHpcUser, fakeHpcUser, held, json, text } from "./fake-hpc-user.ts"

const clientOf = (fake: FakeHpcUser, more: Partial<HpcUserClientOptions> = {}) =>
  Effect.provide(HpcUserClient.layer({ ...fake.options, ...more }))
const ping = HpcUserClient.use((client) => client.ping())
const tokensUsed = (fake: FakeHpcUser) => fake.apiRequests.map(({ token }) => token.split("-")[1]).join("")

describe("a token request", () => {
  it.effect("has client credentials in the form body, with scope and User-Agent", () =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      yield* ping.pipe(clientOf(fake, { userAgent: "storage-proxy/1.0" }))
      assert.deepStrictEqual(fake.tokenRequests, [
        {
          form: {
            grant_type: "client_credentials",
            client_id: "storage-proxy",
            client_secret: clientSecret,
            scope: "openid",
          },
          userAgent: "storage-proxy/1.0",
        },
      ])
      assert.deepStrictEqual(
        fake.apiRequests.map(({ userAgent }) => userAgent),
        ["storage-proxy/1.0"],
      )
    }),
  )

  it.effect("has the scope from the options", () =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      yield* ping.pipe(clientOf(fake, { scope: "openid profile" }))
      assert.strictEqual(fake.tokenRequests[0]?.form.scope, "openid profile")
    }),
  )

  it.live("is retried after a transient failure", () =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      fake.nextToken.push(text("restarting", 503), (response) => response.destroy())
      yield* ping.pipe(clientOf(fake))
      assert.strictEqual(fake.tokenRequests.length, 3)
    }),
  )

  it.live("is retried after the attempt's timeout if it stalls", () =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      fake.nextToken.push(() => {})
      yield* ping.pipe(clientOf(fake, { attemptTimeout: "100 millis" }))
      assert.strictEqual(fake.tokenRequests.length, 2)
    }),
  )

  it.live("is subject to the deadline as well", () =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      fake.nextToken.push(() => {})
      const error = yield* Effect.flip(ping.pipe(clientOf(fake, { deadline: "50 millis" })))
      assert.strictEqual(
        error.message,
        `hpc-user-api-token: POST ${fake.origin}/token timeout: no success within the deadline of 0.05 s`,
      )
    }),
  )

  it.live("that fails through all retries is unavailable, with the endpoint's name", () =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      fake.nextToken.push(text("x", 500), text("x", 502), text("x", 503))
      const error = yield* Effect.flip(ping.pipe(clientOf(fake)))
      assert.strictEqual(error._tag, "HpcUserApiUnavailable")
      assert.strictEqual(
        error.message,
        `hpc-user-api-token: POST ${fake.origin}/token responded with 503: Service Unavailable`,
      )
      assert.strictEqual(fake.tokenRequests.length, 3)
    }),
  )

  it.effect("that fails three times opens the circuit breaker for five seconds, and the API is not blamed", () =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      for (const _ of [1, 2, 3]) fake.nextToken.push(text("x", 503))
      const retry = { times: 0, base: "1 millis", cap: "1 millis", maxRetryAfter: "1 second" } as const
      yield* Effect.gen(function* () {
        for (const _ of [1, 2, 3]) yield* Effect.flip(ping)
        const { message } = yield* Effect.flip(ping)
        assert.match(message, /^hpc-user-api-token: POST .*\/token circuit-open: not called, .*the last: status: /)
        assert.strictEqual(fake.tokenRequests.length, 3)
        yield* TestClock.adjust("5 seconds")
        yield* ping
      }).pipe(clientOf(fake, { retry }))
      assert.deepStrictEqual([fake.tokenRequests.length, fake.apiRequests.length], [4, 1])
    }),
  )

  it.live("does not open the circuit breaker if it is refused", () =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      for (const _ of [1, 2, 3, 4]) fake.nextToken.push(json({ error: "invalid_client" }, 401))
      yield* Effect.gen(function* () {
        for (const _ of [1, 2, 3, 4]) assert.strictEqual((yield* Effect.flip(ping))._tag, "TokenRefused")
        yield* ping
      }).pipe(clientOf(fake))
      assert.strictEqual(fake.tokenRequests.length, 5)
    }),
  )

  it.live("that is refused is reported with its OAuth error and not retried", () =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      fake.nextToken.push(json({ error: "unauthorized_client", error_description: "Invalid client" }, 401))
      const error = yield* Effect.flip(ping.pipe(clientOf(fake)))
      assert.strictEqual(error._tag, "TokenRefused")
      assert.strictEqual(
        error.message,
        `${fake.origin}/token refused the client credentials of the HPC User API with 401: unauthorized_client: Invalid client`,
      )
      assert.strictEqual(fake.tokenRequests.length, 1)
    }),
  )

  it.live("that is refused without an OAuth error is reported as such, also for a redirect", () =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      fake.nextToken.push(text("<h1>Not Found</h1>", 404), (response) =>
        response.writeHead(302, { location: `${fake.origin}/elsewhere` }).end(),
      )
      for (const status of [404, 302]) {
        const error = yield* Effect.flip(ping.pipe(clientOf(fake)))
        assert.strictEqual(error._tag, "TokenRefused")
        assert.include(error.message, `with ${status}: no OAuth error in its response`)
      }
      assert.strictEqual(fake.tokenRequests.length, 2)
    }),
  )

  it.live("with a success without a token is unexpected", () =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      fake.nextToken.push(json({ access_token: 7 }))
      const error = yield* Effect.flip(ping.pipe(clientOf(fake)))
      assert.strictEqual(error._tag, "HpcUserApiUnexpectedResponse")
      assert.include(error.message, `POST ${fake.origin}/token`)
    }),
  )
})

describe("a token that is invalid in a header", () => {
  it.live("is unexpected and not kept: the next call requests another", () =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      for (const access_token of ["a\nb: c", "a b", "tok\u00e9n", "\u0001", "t".repeat(20_000)]) {
        fake.nextToken.push(json({ access_token, token_type: "Bearer", expires_in: 86_400 }))
        yield* Effect.gen(function* () {
          assert.strictEqual((yield* Effect.flip(ping))._tag, "HpcUserApiUnexpectedResponse")
          yield* ping
        }).pipe(clientOf(fake))
      }
    }),
  )
})

describe("a kept token", () => {
  it.effect("of an hour is renewed five minutes before its end", () =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      yield* Effect.gen(function* () {
        yield* ping
        yield* TestClock.adjust("3299 seconds")
        yield* ping
        yield* TestClock.adjust("1 second")
        yield* ping
      }).pipe(clientOf(fake))
      assert.strictEqual(tokensUsed(fake), "112")
    }),
  )

  it.effect.each([
    { returned: 600, seconds: 300 },
    { returned: 300, seconds: 150 },
    { returned: "60", seconds: 30 },
    { returned: undefined, seconds: 150 },
  ])("of $returned seconds is renewed after $seconds", ({ returned, seconds }) =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      fake.expiresIn = returned
      yield* Effect.gen(function* () {
        yield* ping
        yield* TestClock.adjust(`${seconds - 1} seconds`)
        yield* ping
        yield* TestClock.adjust("1 second")
        yield* ping
      }).pipe(clientOf(fake))
      assert.strictEqual(tokensUsed(fake), "112")
    }),
  )

  it.effect("is renewed once for many simultaneous callers", () =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      yield* Effect.forEach(Array.from({ length: 30 }), () => ping, { concurrency: "unbounded" }).pipe(clientOf(fake))
      assert.strictEqual(fake.tokenRequests.length, 1)
      assert.strictEqual(fake.apiRequests.length, 30)
    }),
  )

  it.effect("is still renewed for the others if the caller that started it is interrupted", () =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      const granted = json({ access_token: "granted", token_type: "Bearer", expires_in: 3600 })
      const { hold, arrived, release } = held(granted)
      fake.accepted.add("granted")
      fake.nextToken.push(hold)
      yield* Effect.gen(function* () {
        const first = yield* Effect.forkChild(ping, { startImmediately: true })
        yield* arrived
        const second = yield* Effect.forkChild(ping, { startImmediately: true })
        yield* Fiber.interrupt(first)
        yield* release
        yield* Fiber.join(second)
      }).pipe(clientOf(fake))
      assert.strictEqual(fake.tokenRequests.length, 1)
    }),
  )

  it.effect("remains in use until its end if a renewal in the last five minutes fails", () =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      const once = { times: 0, base: 1, cap: 1, maxRetryAfter: 0 }
      yield* Effect.gen(function* () {
        yield* ping
        yield* TestClock.adjust("56 minutes")
        fake.nextToken.push(text("x", 503))
        yield* ping
        assert.strictEqual(tokensUsed(fake), "11")
        yield* TestClock.adjust("4 minutes")
        fake.nextToken.push(text("x", 503))
        assert.strictEqual((yield* Effect.flip(ping))._tag, "HpcUserApiUnavailable")
      }).pipe(clientOf(fake, { retry: once }))
    }),
  )

  it.effect("is requested again after a failed renewal", () =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      fake.nextToken.push(json({ error: "invalid_client" }, 401))
      yield* Effect.gen(function* () {
        assert.strictEqual((yield* Effect.flip(ping))._tag, "TokenRefused")
        yield* ping
      }).pipe(clientOf(fake))
    }),
  )
})

describe("a token that the API refuses", () => {
  it.effect("is renewed, and the call repeated", () =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      fake.gids.set("a", 31001)
      yield* Effect.gen(function* () {
        yield* ping
        fake.accepted.clear()
        const lookup = yield* HpcUserClient.use((client) => client.gids(["a"]))
        assert.strictEqual(lookup.known.get("a"), 31001)
      }).pipe(clientOf(fake))
      assert.strictEqual(tokensUsed(fake), "112")
    }),
  )

  it.effect("by many simultaneous calls is renewed once", () =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      const names = Array.from({ length: 2000 }, (_, index) => `project${index}`)
      for (const name of names) fake.gids.set(name, 31001)
      yield* Effect.gen(function* () {
        yield* ping
        fake.accepted.clear()
        const lookup = yield* HpcUserClient.use((client) => client.gids(names))
        assert.strictEqual(lookup.known.size, 2000)
      }).pipe(clientOf(fake))
      assert.strictEqual(fake.tokenRequests.length, 2)
      assert.strictEqual(fake.apiRequests.filter(({ token }) => token.startsWith("token-1-")).length, 1 + 8)
    }),
  )

  it.effect("twice in a row is a rejection, after one renewal", () =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      const refuse = json({ detail: "Unauthorized" }, 401)
      fake.nextApi.push(refuse, refuse)
      const error = yield* Effect.flip(ping.pipe(clientOf(fake)))
      assert.strictEqual(error._tag, "HpcUserApiRejected")
      assert.strictEqual(fake.tokenRequests.length, 2)
      assert.strictEqual(fake.apiRequests.length, 2)
    }),
  )
})

describe("a rotated client secret", () => {
  it.live("is used with the next call, and the old one's token is dropped", () =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      const rotating = new RotatingSecret(Redacted.make(clientSecret))
      yield* Effect.gen(function* () {
        yield* ping
        yield* ping
        assert.strictEqual(fake.tokenRequests.length, 1)
        rotating.replace(Redacted.make("another-secret"))
        yield* ping
      }).pipe(clientOf(fake, { clientSecret: rotating }))
      assert.deepStrictEqual(
        fake.tokenRequests.map(({ form }) => form.client_secret),
        [clientSecret, "another-secret"],
      )
      assert.strictEqual(new Set(fake.apiRequests.map(({ token }) => token)).size, 2)
    }),
  )

  it.live("does not wait for a token request with the old one", () =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      const rotating = new RotatingSecret(Redacted.make(clientSecret))
      const first = held(json({ access_token: "token-of-the-old", token_type: "Bearer" }))
      fake.nextToken.push(first.hold)
      yield* Effect.gen(function* () {
        const before = yield* Effect.forkChild(Effect.exit(ping))
        yield* first.arrived
        rotating.replace(Redacted.make("another-secret"))
        yield* ping
        assert.strictEqual(fake.tokenRequests.length, 2)
        yield* Fiber.interrupt(before)
      }).pipe(clientOf(fake, { clientSecret: rotating }))
    }),
  )

  it.live("is masked in a refusal, and so is the previous one", () =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      const rotating = new RotatingSecret(Redacted.make(clientSecret))
      yield* Effect.gen(function* () {
        rotating.replace(Redacted.make("another-secret"))
        fake.nextToken.push(json({ error: "x", error_description: `${clientSecret} and another-secret` }, 400))
        const error = yield* Effect.flip(ping)
        assert.notInclude(error.message, clientSecret.slice(0, 8))
        assert.notInclude(error.message, "another-secret")
      }).pipe(clientOf(fake, { clientSecret: rotating }))
    }),
  )
})
