/** Reports to Waldur: against the sandbox's order state machine, and against servers that misbehave. */
import { type Sandbox, startSandbox } from "@cscs/sandbox"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { type ReportOutcome, WaldurClient } from "../src/index.ts"
import { clientOf, json, type Reply, startFakeWaldur, token, uuidOf } from "./fake-waldur.ts"

const aSandbox = Effect.acquireRelease(
  Effect.promise(() => startSandbox()),
  (sandbox) => Effect.promise(() => sandbox.close()),
)

const withWaldur = <A, E>(
  use: (waldur: WaldurClient["Service"], sandbox: Sandbox) => Effect.Effect<A, E>,
  tokenOf: (sandbox: Sandbox) => string = ({ waldur }) => waldur.actingToken,
) =>
  Effect.scoped(
    Effect.flatMap(aSandbox, (sandbox) =>
      WaldurClient.use((waldur) => use(waldur, sandbox)).pipe(
        Effect.provide(WaldurClient.layer({ apiUrl: sandbox.waldur.url, token: Redacted.make(tokenOf(sandbox)) })),
      ),
    ),
  )

const resourceOf = (sandbox: Sandbox, label: string) => {
  const found = sandbox.world.cases.get(label)?.row
  if (found === undefined) throw new Error(`no case ${label}`)
  return found
}
/** The callback URL of an action on a resource's order, as an entry carries it. */
const orderUrl = (sandbox: Sandbox, label: string, action: string) => {
  const order = resourceOf(sandbox, label).order_in_progress as { readonly uuid: string }
  return `${sandbox.waldur.url}marketplace-orders/${order.uuid}/${action}/`
}
const resourceUrl = (sandbox: Sandbox, label: string, action: string) =>
  `${sandbox.waldur.url}marketplace-provider-resources/${resourceOf(sandbox, label).uuid}/${action}/`

const tags = (outcomes: ReadonlyArray<ReportOutcome>) => outcomes.map(({ _tag }) => _tag)

describe("a report to Waldur's order state machine", () => {
  const label = "ok-update-pending-provider"

  it.live("of an approval, or of done, is `done` once, and `otherState` before and after that", () =>
    withWaldur((waldur, sandbox) =>
      Effect.gen(function* () {
        const approve = orderUrl(sandbox, label, "approve_by_provider")
        const done = orderUrl(sandbox, label, "set_state_done")
        const outcomes = [
          yield* waldur.setStateDone(done),
          yield* waldur.approveByProvider(approve),
          yield* waldur.approveByProvider(approve),
          yield* waldur.setStateDone(done),
          yield* waldur.setStateDone(done),
        ]
        expect(tags(outcomes)).toEqual(["otherState", "done", "otherState", "done", "otherState"])
        expect(resourceOf(sandbox, label)).toMatchObject({ state: "OK", order_in_progress: null })
      }),
    ),
  )

  it.live("of a rejection ends the order", () =>
    withWaldur((waldur, sandbox) =>
      Effect.gen(function* () {
        const reject = orderUrl(sandbox, label, "reject_by_provider")
        expect(tags([yield* waldur.rejectByProvider(reject), yield* waldur.rejectByProvider(reject)])).toEqual([
          "done",
          "otherState",
        ])
        expect(resourceOf(sandbox, label)).toMatchObject({ state: "OK", order_in_progress: null })
      }),
    ),
  )

  for (const [message, sent] of [
    ["the disk is full", "the disk is full"],
    ["", "The storage system could not carry out this order. Contact its operators for the reason."],
    [" \n\t ", "The storage system could not carry out this order. Contact its operators for the reason."],
    ["one\nline\u0000\u001b[31m", "one line [31m"],
    ["x".repeat(5000), "x".repeat(1000)],
    [`${"y".repeat(999)}😀`, "y".repeat(999)],
    [`with the token ${token}`, "with the token ***"],
  ] as const) {
    it.live(`of an error with the message ${JSON.stringify(message.slice(0, 40))} always sends a message`, () =>
      Effect.gen(function* () {
        const fake = yield* startFakeWaldur
        const waldur = yield* clientOf(fake)
        expect(yield* waldur.setStateErred(uuidOf(1), message)).toEqual({ _tag: "done" })
        expect(JSON.parse(fake.seen[0]?.body ?? "")).toEqual({ error_message: sent, error_traceback: "" })
      }),
    )
  }

  it.live("of an error makes the resource Erred, and of set_state_ok OK again", () =>
    withWaldur((waldur, sandbox) =>
      Effect.gen(function* () {
        yield* waldur.approveByProvider(orderUrl(sandbox, label, "approve_by_provider"))
        const order = resourceOf(sandbox, label).order_in_progress
        const erred = yield* waldur.setStateErred(orderUrl(sandbox, label, "set_state_erred"), "the disk is full")
        expect(erred).toEqual({ _tag: "done" })
        expect(order).toMatchObject({ state: "erred", error_message: "the disk is full" })
        expect(resourceOf(sandbox, label).state).toBe("Erred")
        const ok = resourceUrl(sandbox, label, "set_state_ok")
        expect(tags([yield* waldur.setStateOk(ok), yield* waldur.setStateOk(ok)])).toEqual(["done", "otherState"])
        expect(resourceOf(sandbox, label).state).toBe("OK")
      }),
    ),
  )

  it.live("of a backend id and of options sets them", () =>
    withWaldur((waldur, sandbox) =>
      Effect.gen(function* () {
        const path = "/capstor/store/cscs/somewhere"
        const options = { soft_quota_space: 5, hard_quota_space: 6 }
        yield* waldur.setBackendId(resourceUrl(sandbox, label, "set_backend_id"), path)
        yield* waldur.updateOptionsDirect(resourceUrl(sandbox, label, "update_options_direct"), options)
        expect(resourceOf(sandbox, label)).toMatchObject({ backend_id: path, options })
      }),
    ),
  )

  it.live("with the token of a reader is refused, and one of an unknown order is gone", () =>
    withWaldur(
      (waldur, sandbox) =>
        Effect.gen(function* () {
          const refused = yield* waldur.approveByProvider(orderUrl(sandbox, label, "approve_by_provider"))
          const gone = yield* waldur.setStateDone("0".repeat(32))
          expect(tags([refused, gone])).toEqual(["refused", "gone"])
        }),
      ({ waldur }) => waldur.token,
    ),
  )
})

describe("a report whose target is not trusted", () => {
  const id = uuidOf(1)
  const targets: ReadonlyArray<[what: string, target: (url: string) => string]> = [
    ["on another host", () => `http://evil.example.org/api/marketplace-orders/${id}/set_state_done/`],
    ["on another port", (url) => `${url.replace(/\d+$/, "1")}/api/marketplace-orders/${id}/set_state_done/`],
    ["with a login", (url) => `${url.replace("//", "//user@")}/api/marketplace-orders/${id}/set_state_done/`],
    ["with the API's host as a login", (url) => `${url}@evil.example.org/api/marketplace-orders/${id}/set_state_done/`],
    ["of another action", (url) => `${url}/api/marketplace-orders/${id}/approve_by_provider/`],
    ["of a resource", (url) => `${url}/api/marketplace-provider-resources/${id}/set_state_done/`],
    ["with a query", (url) => `${url}/api/marketplace-orders/${id}/set_state_done/?x=/set_state_done/`],
    ["with a path that climbs", (url) => `${url}/api/marketplace-orders/../x/${id}/set_state_done/`],
    ["with an escape", (url) => `${url}/api/marketplace-orders/%2e%2e/set_state_done/`],
    ["without an id", (url) => `${url}/api/marketplace-orders/set_state_done/`],
    ["that is empty", () => ""],
    ["that is not an id", () => "a/b?c=d"],
  ]
  for (const [what, target] of targets) {
    it.live(`${what} is not sent`, () =>
      Effect.gen(function* () {
        const fake = yield* startFakeWaldur
        const waldur = yield* clientOf(fake)
        expect(yield* waldur.setStateDone(target(fake.url))).toMatchObject({ _tag: "untrusted" })
        expect(fake.seen).toEqual([])
      }),
    )
  }
})

describe("a report's outcome", () => {
  const replies: ReadonlyArray<[what: string, reply: Reply | "reset", outcome: object]> = [
    ["400 with a list", json(400, ["Blocked organization is not available."]), { _tag: "notAllowedNow" }],
    ["401", json(401, { detail: "Invalid token." }), { _tag: "refused" }],
    ["403", json(403, { detail: "no" }), { _tag: "refused" }],
    ["404 with HTML", { status: 404, body: "<h1>Not Found</h1>" }, { _tag: "gone" }],
    ["405", json(405, { detail: "no" }), { _tag: "unsupported" }],
    ["408", json(408, {}), { _tag: "unknown" }],
    ["409", json(409, { detail: "no" }), { _tag: "otherState" }],
    ["418", json(418, {}), { _tag: "unknown" }],
    ["429 with Retry-After", { ...json(429, {}), headers: { "retry-after": "7" } }, { _tag: "unknown", retryAfter: 7 }],
    ["500 with HTML", { status: 500, body: "<h1>Server Error</h1>" }, { _tag: "unknown" }],
    ["503", json(503, {}), { _tag: "unknown" }],
    ["a redirect", { status: 302, headers: { location: "http://127.0.0.1:1/" } }, { _tag: "unknown" }],
    [
      "a login page with 200",
      { status: 200, body: "<h1>Login</h1>", headers: { "content-type": "text/html" } },
      { _tag: "unknown" },
    ],
    ["206", { ...json(206, {}) }, { _tag: "unknown" }],
    ["a cut connection", "reset", { _tag: "unknown" }],
  ]
  for (const [what, reply, outcome] of replies) {
    it.live(`after ${what} is ${JSON.stringify(outcome)}; the report is sent once, and no token is revealed`, () =>
      Effect.gen(function* () {
        const fake = yield* startFakeWaldur
        fake.instead = () => reply
        const waldur = yield* clientOf(fake)
        const got = yield* waldur.setStateDone(uuidOf(1))
        expect(got).toMatchObject(outcome)
        expect(JSON.stringify(got)).not.toContain(token)
        expect(fake.seen.length).toBe(1)
      }),
    )
  }

  it.live("is unknown if no response arrives in time; the report is sent once", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      let received = 0
      fake.holds = () => {
        received += 1
        return true
      }
      const waldur = yield* clientOf(fake, { attemptTimeout: "200 millis" })
      expect(yield* waldur.setStateDone(uuidOf(1))).toMatchObject({ _tag: "unknown" })
      expect(received).toBe(1)
    }),
  )

  it.live("is unknown, with the reason, if the port is closed", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      const url = yield* Effect.scoped(Effect.map(startFakeWaldur, (gone) => gone.url))
      const waldur = yield* clientOf(fake, {
        apiUrl: url,
        retry: { times: 0, base: "1 millis", cap: "1 millis", maxRetryAfter: "1 second" },
      })
      const got = yield* waldur.setStateDone(uuidOf(1))
      expect(got).toMatchObject({ _tag: "unknown", detail: expect.stringContaining("ECONNREFUSED") })
    }),
  )
})
